// The page: from a button to positions. For each, it fires `position` at the document, with `index`,
// the number of the performer's frame, in addition to what `OnlineAligner.update` returns.

import { load } from "./load.js";
import { openCamera, openFile } from "./sources.js";
import { message, View } from "./view.js";

const SPEED_OVER = 2000; // milliseconds in which frames are counted
const at = (id) => document.getElementById(id);

let reference, view;
try {
  reference = await (await load("reference.json")).json();
  view = new View(reference);
  // All of it at once: a server that sends no parts of files does not let videos be searched.
  at("reference").src = URL.createObjectURL(await (await load("reference.mp4")).blob());
} catch (error) {
  message("The reference cannot be loaded: " + error.message, true);
  throw error;
}

const worker = new Worker("worker.js", { type: "module" });
const ask = (what, more = {}, moved = []) => new Promise((resolve, fail) => {
  worker.onmessage = ({ data }) => (data.error ? fail(new Error(data.error)) : resolve(data));
  worker.onerror = (event) => fail(new Error(event.message || "its program cannot be loaded"));
  worker.postMessage({ what, ...more }, moved);
});

let source = null, busy = false;

async function follow(open) {
  if (busy) return;
  busy = true;
  message("");
  try {
    source = await open();
    view.setRunning(true, source.isLive);
    view.say("Waiting for the first position");
    await ask("begin", { openBegin: at("open-begin").checked, hasPreviews: !source.isLive });
    await followSource();
  } catch (error) {
    message(error.message, true);
  }
  source?.stop();
  source = null;
  busy = false;
  view.setRunning(false, false);
}

async function followSource() {
  let index = 0, work = 0, worked = 0;
  const marks = [[performance.now(), 0]]; // when how many frames were through, in the last seconds
  const show = ({ positions, preview }) => {
    for (const position of positions) {
      document.dispatchEvent(new CustomEvent("position", { detail: { index: index++, ...position } }));
    }
    if (!positions.length) return;
    view.show(positions.at(-1));
    if (!source.isLive) view.showTime((index - 1) / reference.fps);
    if (preview) view.showPicture(preview);
  };
  for (;;) {
    const pictures = await source.take();
    if (!pictures.length) break;
    const { seconds, ...found } = await ask("add", { pictures }, pictures);
    work += seconds;
    worked += pictures.length;
    show(found);
    marks.push([performance.now(), worked]);
    while (marks[1][0] < performance.now() - SPEED_OVER) marks.shift();
    const [[begin, before]] = marks;
    view.showSpeed((1000 * (worked - before)) / (performance.now() - begin), worked / work, source.dropped());
  }
  show(await ask("finish"));
  document.dispatchEvent(new CustomEvent("finished"));
}

at("camera").addEventListener("click", () => follow(() => openCamera(at("live"), reference.fps)));
at("choose").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", () => {
  const [file] = at("file").files;
  at("file").value = ""; // so that the same one can be chosen again
  if (file) follow(() => openFile(file, reference.fps));
});
at("stop").addEventListener("click", () => source?.stop());

try {
  const { delay } = await ask("open");
  const late = (delay / reference.fps).toFixed(1);
  at("note").textContent = delay
    ? "The encoder looks " + delay + " frames ahead: a position comes " + late + " s after its frame. A camera is shown as it is now, a video where the position is."
    : "";
  message("");
  at("camera").disabled = at("choose").disabled = false;
} catch (error) {
  message("The encoder cannot be loaded: " + error.message, true);
}
