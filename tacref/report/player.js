"use strict";
// Videos in step: the reference plays at its own pace, the others are steered along the alignment.
const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const percent = (share) => 100 * clamp(share, 0, 1) + "%";

// Browsers refuse other rates; a slower video stands still until it is due.
const SLOWEST = 0.0625, FASTEST = 16;
// A video that is later than this, in seconds, jumps; else it catches up in about a third of one.
const MAX_LATENESS = 0.5, CATCH_UP = 3;

// A clip without pictures: a clock with the interface of a video element, as far as it is used here.
class Clock {
  constructor(duration) {
    Object.assign(this, { duration, paused: true, seeking: false, rate: 1, base: 0, since: 0 });
  }
  get currentTime() {
    const passed = this.paused ? 0 : ((performance.now() - this.since) / 1000) * this.rate;
    return Math.min(this.base + passed, this.duration);
  }
  set currentTime(time) {
    this.base = time;
    this.since = performance.now();
  }
  get playbackRate() { return this.rate; }
  set playbackRate(rate) {
    this.currentTime = this.currentTime;
    this.rate = rate;
  }
  play() {
    this.since = performance.now();
    this.paused = false;
    return Promise.resolve();
  }
  pause() {
    this.base = this.currentTime;
    this.paused = true;
  }
}

const videos = data.videos.map((video, index) => {
  const figure = at("view-" + index), element = figure.querySelector("video");
  const made = {
    ...video, index, figure, text: at("text-" + index), phase: at("phase-" + index),
    media: element || new Clock(video.ends[video.ends.length - 1]),
    duration: video.ends[video.ends.length - 1],
    needles: document.querySelectorAll('[data-video="' + index + '"] .needle'),
    waiting: null,
  };
  if (element) {
    element.addEventListener("seeked", () => {
      if (made.waiting === null) return;
      element.currentTime = made.waiting;
      made.waiting = null;
    });
  } else {
    made.big = figure.querySelector(".big");
  }
  return made;
});
const [reference, ...others] = videos;

// The interval of rising numbers that holds x: its index, and how far x is through it.
function locate(numbers, x) {
  let low = 0, high = numbers.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) low = middle;
    else high = middle;
  }
  return [low, clamp((x - numbers[low]) / (numbers[high] - numbers[low] || 1), 0, 1)];
}
const between = (values, [index, share]) =>
  values[index] + share * (values[Math.min(index + 1, values.length - 1)] - values[index]);
// The frame at a time, from a thinned list of frame times.
const frameOf = (video, time) =>
  Math.min(video.frames - 1, Math.floor(between(video.numbers, locate(video.ends, time)) + 1e-6));
const timeOf = (video, frame) => between(video.ends, locate(video.numbers, frame));
const middleOf = (video, frame) => (timeOf(video, frame) + timeOf(video, frame + 1)) / 2;

let aligned = true, playing = false, speed = 1;
const inView = (video) => video.shown; // clips.js changes it
// Where the other video stands while the reference is before its begin or after its end.
const absence = (video, time) => {
  if (!aligned || !video.present) return "";
  return time < video.present[0] - 1e-6 ? "not begun" : time > video.present[1] + 1e-6 ? "ended" : "";
};

// The time at which another video should be at a time of the reference, and its speed there.
function due(video, time) {
  if (!aligned) return [Math.min(time, video.duration), 1];
  const position = locate(data.times, time), [index] = position, next = Math.min(index + 1, data.times.length - 1);
  const slope = (video.matches[next] - video.matches[index]) / (data.times[next] - data.times[index] || 1);
  return [between(video.matches, position), slope];
}

function seek(video, time) {
  // Just before the end: at the end, some browsers show nothing.
  const target = clamp(time, 0, Math.max(0, video.duration - 0.001));
  if (video.media.seeking) video.waiting = target; // only the last one counts
  else video.media.currentTime = target;
}

function steer(video, time) {
  const { media } = video, [target, slope] = due(video, time), late = target - media.currentTime;
  if (media.seeking) return;
  if (Math.abs(late) > MAX_LATENESS) seek(video, target);
  if (media.paused && target < video.duration - 0.05) media.play().catch(() => {});
  const ideal = speed * slope + CATCH_UP * late;
  const rate = ideal < SLOWEST ? 0 : Math.min(ideal, FASTEST);
  if (Math.abs(rate - media.playbackRate) > 0.01) media.playbackRate = rate;
}

function paint() {
  const time = reference.media.seeking && reference.waiting !== null ? reference.waiting : reference.media.currentTime;
  for (const video of videos) {
    if (!inView(video)) continue;
    const own = video.media.currentTime, frame = frameOf(video, own);
    const absent = absence(video, time);
    video.text.textContent = own.toFixed(2) + " s, frame " + frame + (absent && ", " + absent);
    if (video.big) video.big.textContent = frame;
    if (video.phases) {
      const phase = video.phases.find(([start, end]) => start <= frame && frame < end); // none in a gap
      video.phase.textContent = phase ? phase[2] : "";
    }
    for (const needle of video.needles) needle.style.left = percent(own / video.duration);
  }
  const slider = at("seek");
  slider.value = time;
  slider.setAttribute("aria-valuetext", time.toFixed(2) + " of " + reference.duration.toFixed(2) + " seconds");
  at("now").textContent = time.toFixed(2) + " / " + reference.duration.toFixed(2) + " s";
  for (const painter of painters) painter(time);
}
const painters = [];

function show(time) {
  seek(reference, time);
  for (const video of others) if (inView(video)) seek(video, due(video, time)[0]);
  paint();
}
const showFrame = (frame) => {
  setPlaying(false);
  show(middleOf(reference, clamp(frame, 0, reference.frames - 1)));
};

function setPlaying(play) {
  if (play === playing) return;
  playing = play;
  at("play").textContent = playing ? "Pause" : "Play";
  if (!playing) {
    for (const video of videos) video.media.pause();
    return;
  }
  if (reference.media.currentTime > reference.duration - 0.05) show(0);
  for (const video of videos) {
    if (!inView(video)) continue;
    video.media.playbackRate = video === reference ? speed : video.media.playbackRate;
    video.media.play().catch(() => {}); // paused before it has begun
  }
  requestAnimationFrame(tick);
}
function tick() {
  if (!playing) return;
  const time = reference.media.currentTime;
  for (const video of others) if (inView(video)) steer(video, time);
  paint();
  if (time > reference.duration - 0.005 || reference.media.ended) setPlaying(false);
  else requestAnimationFrame(tick);
}

at("play").addEventListener("click", () => setPlaying(!playing));
const step = (count) => showFrame(frameOf(reference, reference.media.currentTime) + count);
at("back").addEventListener("click", () => step(-1));
at("forth").addEventListener("click", () => step(1));
at("seek").addEventListener("input", (event) => show(Number(event.target.value)));
at("speed").addEventListener("change", (event) => {
  speed = Number(event.target.value);
  reference.media.playbackRate = speed;
});
at("aligned").addEventListener("change", (event) => {
  aligned = event.target.checked;
  show(reference.media.currentTime);
});
for (const video of videos) {
  if (!(video.media instanceof Clock)) video.media.addEventListener("seeked", () => playing || paint());
}

const keys = {
  ArrowLeft: (many) => step(-many),
  ArrowRight: (many) => step(many),
  Home: () => showFrame(0),
  End: () => showFrame(reference.frames - 1),
  u: () => at("aligned").click(),
};
document.addEventListener("keydown", (event) => {
  const { target } = event, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (target.tagName === "SELECT" || target.type === "search" || target.closest(".sheet") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (key === " ") {
    if (target.tagName === "BUTTON" || target.type === "checkbox" || target.type === "radio") return;
    event.preventDefault(); // the element would handle it itself
    if (!event.repeat) setPlaying(!playing);
  } else if (Object.hasOwn(keys, key) && target.type !== "radio") {
    event.preventDefault();
    keys[key](event.shiftKey ? 10 : 1);
  }
});
