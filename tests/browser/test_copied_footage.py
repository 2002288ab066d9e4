"""A copied video, with frames that refer to later ones, shows in a browser what is asked for."""

import io

import av
import numpy as np
from PIL import Image

from tacref.data.video import iter_video
from tacref.report.footage import write_footage


def test_every_frame_is_where_its_time_is(browser, tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"g": "10", "bf": "2", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            picture = np.full((48, 64, 3), 8 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    count, _ = write_footage(tmp_path / "b.mp4", iter_video(tmp_path / "a.mp4"))
    assert count == 30
    with av.open(str(tmp_path / "b.mp4")) as file:  # it was copied, not encoded anew
        pts = [packet.pts for packet in file.demux(video=0) if packet.size]
    assert pts != sorted(pts)
    html = tmp_path / "page.html"
    html.write_text('<body style="margin:0"><video src="b.mp4" width="64" height="48" muted>')
    page = browser.new_page()
    try:
        page.goto(html.as_uri())
        seen = []
        for number in range(30):
            page.evaluate(
                """time => new Promise(done => {
                  const video = document.querySelector("video");
                  video.requestVideoFrameCallback(() => requestAnimationFrame(done));
                  video.currentTime = time;
                })""",
                (number + 0.5) / 25,
            )
            shot = page.locator("video").screenshot()
            seen.append(
                np.asarray(Image.open(io.BytesIO(shot)).convert("L"))[10:-10, 10:-10].mean()
            )
        assert np.rint(np.array(seen) / 8).tolist() == list(range(30))
    finally:
        page.close()
