"""What a worker process says of itself in place of a batch."""

from tacref.data import PairDataset
from tacref.data.video import open_video, video_stream


class DecoderThreads(PairDataset):
    """Gives the number of threads that a decoder takes."""

    def batch(self, step, **share):
        path = self.clips[0].path
        with open_video(path) as container:
            stream = video_stream(path, container)
            next(container.decode(stream))
            return stream.codec_context.thread_count
