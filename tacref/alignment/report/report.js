"use strict";
const at = (id) => document.getElementById(id);
const { times, pictures, path, costs } = JSON.parse(at("data").textContent);
const slider = at("step"), play = at("play"), speed = at("speed"), last = path.length - 1;
const sides = ["x", "y"].map((side, index) => ({
  times: times[index],
  pictures: pictures[index],
  image: at("view-" + side).querySelector("img"),
  big: at("view-" + side).querySelector(".big"),
  text: at("text-" + side),
}));
const percent = (share) => 100 * share + "%";
const seconds = (side, step) => sides[side].times[path[step][side]];

let current = 0;
function show(step) {
  current = Math.max(0, Math.min(last, step));
  path[current].forEach((frame, index) => {
    const side = sides[index];
    if (side.image) {
      const uri = side.pictures.uris[side.pictures.shown[frame]];
      if (side.image.src !== uri) side.image.src = uri;
    } else {
      side.big.textContent = frame;
    }
    side.text.textContent = "frame " + frame + ", " + seconds(index, current).toFixed(2) + " s";
  });
  const [down, right] = path[current].map((frame, index) => percent((frame + 0.5) / sides[index].times.length));
  at("row").style.top = at("dot").style.top = down;
  at("column").style.left = at("dot").style.left = right;
  at("needle").style.left = percent(last ? current / last : 0.5);
  slider.value = current;
  at("now").textContent = "step " + (current + 1) + " of " + path.length + ", cost " + costs[current];
  slider.setAttribute("aria-valuetext", "A " + seconds(0, current).toFixed(2) + " s, B " + seconds(1, current).toFixed(2) + " s");
}

// One clock for both: a step takes the mean of what the two videos move on. So each of them is,
// on the whole, as fast as it was filmed, and neither sets the pace of the other.
const clock = [0];
for (let step = 1; step <= last; step++) {
  const gap = (side) => seconds(side, step) - seconds(side, step - 1);
  clock.push(clock[step - 1] + Math.max((gap(0) + gap(1)) / 2, 0.001));
}
let playing = false, position = 0, before = 0;
function seek(step) {
  show(step);
  position = clock[current];
}
function setPlaying(wanted) {
  if (wanted === playing) return;
  playing = wanted;
  play.textContent = playing ? "Pause" : "Play";
  if (!playing) return;
  seek(current === last ? 0 : current);
  before = performance.now();
  requestAnimationFrame(tick);
}
function tick(now) {
  if (!playing) return;
  // A tab in the background gets no ticks: it goes on where it was, not where it would be.
  position += Math.max(0, Math.min(now - before, 250)) / 1000 * Number(speed.value);
  before = now;
  let step = current;
  while (step < last && clock[step + 1] <= position) step++;
  if (step !== current) show(step);
  if (step === last) setPlaying(false);
  else requestAnimationFrame(tick);
}
play.addEventListener("click", () => setPlaying(!playing));
slider.addEventListener("input", () => seek(Number(slider.value)));
at("worst").addEventListener("click", () => {
  setPlaying(false);
  // Not Math.max(...costs): a long path has more steps than a call may have arguments.
  seek(costs.reduce((best, cost, step) => (cost > costs[best] ? step : best), 0));
});

const jumps = {
  ArrowLeft: (many) => current - many,
  ArrowDown: (many) => current - many,
  ArrowRight: (many) => current + many,
  ArrowUp: (many) => current + many,
  Home: () => 0,
  End: () => last,
};
document.addEventListener("keydown", (event) => {
  if (event.target === speed || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") {
    if (event.target.tagName === "BUTTON") return; // it presses the button
    event.preventDefault();
    if (!event.repeat) setPlaying(!playing);
  } else if (Object.hasOwn(jumps, event.key)) {
    // Up and down scroll the page, unless the slider has the focus.
    if (/Up|Down/.test(event.key) && event.target !== slider) return;
    event.preventDefault();
    seek(jumps[event.key](event.shiftKey ? 10 : 1));
  }
});

function follow(element, stepAt) {
  const move = (event) => {
    const box = element.getBoundingClientRect();
    const share = (value, start, length) => Math.max(0, Math.min(1, (value - start) / length));
    seek(stepAt(share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)));
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    move(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) move(event);
  });
}
follow(at("strip"), (right) => Math.round(right * last));
follow(at("plot"), (right, down) => {
  const [n, m] = times.map((video) => video.length);
  let best = 0, least = Infinity;
  path.forEach(([i, j], step) => {
    const distance = ((i + 0.5) / n - down) ** 2 + ((j + 0.5) / m - right) ** 2;
    if (distance < least) [best, least] = [step, distance];
  });
  return best;
});
show(0);
