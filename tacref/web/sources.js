// Where pictures come from: a camera, or a video file; both at the frame rate of the reference.

const MAX_WAITING = 8; // pictures that are kept for the encoder

// Pictures that wait for the encoder: a source adds them, the encoder takes all there are at once,
// so that what is taken together is as much as the machine needs.
class Pictures {
  #waiting = []; #ended = false; #wake = () => {};
  dropped = 0;

  // Take the pictures that are there, at least one; none once the source has ended.
  async take() {
    while (!this.#waiting.length && !this.#ended) await this.#changed();
    const taken = this.#waiting;
    this.#waiting = [];
    this.#wake();
    return taken;
  }
  // Add a picture; of too many, the oldest is dropped.
  add(picture) {
    this.#waiting.push(picture);
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift().close();
      this.dropped += 1;
    }
    this.#wake();
  }
  async room() {
    while (this.#waiting.length >= MAX_WAITING && !this.#ended) await this.#changed();
  }
  end() {
    this.#ended = true;
    this.#wake();
  }
  get ended() { return this.#ended; }
  #changed() {
    return new Promise((resolve) => {
      const before = this.#wake; // the source and the encoder may both wait
      this.#wake = () => { before(); this.#wake = () => {}; resolve(); };
    });
  }
}

const until = (time) => new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())));
const event = (target, name) => new Promise((resolve, fail) => {
  const over = new AbortController(), { signal } = over;
  const end = (how) => () => { over.abort(); how(); };
  target.addEventListener(name, end(resolve), { signal });
  target.addEventListener("error", end(() => fail(new Error("This browser cannot play that video."))), { signal });
});

// Show a camera in a video element, and give its pictures until it is stopped. Pictures that come
// while the encoder is busy wait; of too many, the oldest are dropped.
export async function openCamera(video, framesPerSecond) {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new Error("Browsers give the camera only to https:// and localhost: open this page from there.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } }, audio: false });
  } catch (error) {
    if (error.name === "NotFoundError") throw new Error("There is no camera.");
    if (error.name === "NotAllowedError") throw new Error("The camera is not allowed: the browser's settings of this page permit it.");
    throw new Error("The camera cannot be used: " + error.message);
  }
  video.srcObject = stream;
  await video.play();
  const pictures = new Pictures();
  for (const track of stream.getTracks()) track.addEventListener("ended", () => pictures.end());
  (async () => {
    for (let due = performance.now(); !pictures.ended; due += 1000 / framesPerSecond) {
      await until(due);
      due = Math.max(due, performance.now() - 200); // what was missed longer ago is not made up for
      if (!pictures.ended) pictures.add(await createImageBitmap(video));
    }
  })().catch(() => pictures.end());
  const stop = () => {
    pictures.end();
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  return { take: () => pictures.take(), stop, isLive: true, dropped: () => pictures.dropped };
}

// Give the pictures of a video file, one for each frame of that rate: none is left out, and none
// comes sooner than it would be played.
export async function openFile(file, framesPerSecond) {
  const video = document.createElement("video"), url = URL.createObjectURL(file);
  Object.assign(video, { muted: true, preload: "auto", src: url });
  const pictures = new Pictures();
  try {
    await event(video, "loadeddata");
    if (!Number.isFinite(video.duration)) throw new Error("That video does not say how long it is, as some recordings do not: convert it to mp4.");
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
  const count = Math.max(1, Math.round(video.duration * framesPerSecond));
  const reading = (async () => {
    const start = performance.now();
    for (let frame = 0; frame < count && !pictures.ended; frame++) {
      await Promise.all([pictures.room(), until(start + (1000 * frame) / framesPerSecond)]);
      const seeked = event(video, "seeked");
      video.currentTime = Math.min((frame + 0.5) / framesPerSecond, video.duration);
      await seeked;
      if (!pictures.ended) pictures.add(await createImageBitmap(video));
    }
  })();
  reading.catch(() => {}).finally(() => {
    pictures.end();
    URL.revokeObjectURL(url);
  });
  const take = async () => {
    const taken = await pictures.take();
    if (!taken.length) await reading; // says why, if it failed
    return taken;
  };
  return { take, stop: () => pictures.end(), isLive: false, dropped: () => 0 };
}
