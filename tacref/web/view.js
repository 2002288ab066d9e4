// What the page shows of positions.

const PHASE_COLORS = 8; // in style.css
const at = (id) => document.getElementById(id);
const seconds = (time) => time.toFixed(2) + " s";
const OFF_SCRIPT = "Off the script: in no part of the reference";

export function message(text, failed = false) {
  at("message").textContent = text;
  at("message").hidden = text === "";
  at("message").classList.toggle("failed", failed);
}

export class View {
  #reference; #video = at("reference"); #waiting = null;

  // `reference`: its name, `ends` (time of each frame, and the end of the last one), and phases.
  constructor(reference) {
    this.#reference = reference;
    at("title").textContent = document.title = "Follow " + reference.name;
    at("reference-name").textContent = reference.name;
    at("bar").setAttribute("aria-valuemax", reference.ends.at(-1).toFixed(2));
    if (reference.phases) this.#drawPhases();
    this.#video.addEventListener("seeked", () => {
      if (this.#waiting === null) return;
      this.#video.currentTime = this.#waiting; // only the last one counts
      this.#waiting = null;
    });
  }

  // Seconds of the reference in which its frame is shown, and its end.
  #middle(frame) {
    const { ends } = this.#reference;
    return (ends[frame] + ends[frame + 1]) / 2;
  }

  show({ frame, phase, confidence, offScript }) {
    const { ends } = this.#reference, time = this.#middle(frame);
    if (this.#video.seeking) this.#waiting = time;
    else this.#video.currentTime = time;
    at("reference-time").textContent = seconds(ends[frame]) + " of " + seconds(ends.at(-1));
    at("needle").hidden = false;
    at("needle").style.left = (100 * time) / ends.at(-1) + "%";
    at("bar").setAttribute("aria-valuenow", ends[frame].toFixed(2));
    at("bar").setAttribute("aria-valuetext", seconds(ends[frame]) + " of " + seconds(ends.at(-1)));
    at("confidence").value = confidence;
    at("percent").textContent = Math.round(100 * confidence) + " %";
    document.body.classList.toggle("off", offScript);
    this.say(offScript ? OFF_SCRIPT : phase ?? (this.#reference.phases ? "No phase here" : "On the script"));
  }

  // Say in large letters what is going on; readers hear it only when it changes.
  say(text) {
    if (at("state").textContent !== text) at("state").textContent = text;
  }

  showTime(time) {
    at("performer-time").textContent = seconds(time);
  }

  showPicture(picture) {
    const canvas = at("shown"), { width, height } = picture;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(picture);
  }

  // Frames a second: those of the last seconds, and those that this machine could do; and how many
  // frames of a camera were left out.
  showSpeed(now, most, dropped) {
    const leftOut = dropped ? ", " + dropped + " left out" : "";
    at("speed").textContent = now.toFixed(0) + " frames a second, " + most.toFixed(0) + " possible" + leftOut;
  }

  setRunning(running, isLive) {
    const { id } = document.activeElement;
    at("live").hidden = !(running && isLive);
    at("shown").hidden = running && isLive;
    at("stop").hidden = !running;
    at("camera").disabled = at("choose").disabled = at("open-begin").disabled = running;
    // What is disabled or hidden now cannot keep the focus.
    if (running && ["camera", "choose"].includes(id)) at("stop").focus();
    if (!running && id === "stop") at("choose").focus();
    document.body.classList.remove("off");
  }

  #drawPhases() {
    const { phases, ends } = this.#reference, colors = new Map(), end = ends.at(-1);
    const part = (name, attributes, parent) => {
      const made = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      return made;
    };
    for (let first = 0, next; first < phases.length; first = next) {
      next = first + 1;
      while (next < phases.length && phases[next] === phases[first]) next++;
      const phase = phases[first], x = (100 * ends[first]) / end, width = (100 * ends[next]) / end - x;
      if (phase === null) continue;
      if (!colors.has(phase)) colors.set(phase, colors.size % PHASE_COLORS);
      const own = part("svg", { x: x + "%", width: width + "%", height: "100%" }, at("phases"));
      part("title", {}, own).textContent = phase;
      part("rect", { width: "100%", height: "100%", class: "phase c" + colors.get(phase) }, own);
      part("text", { x: 6, y: "50%" }, own).textContent = phase;
    }
  }
}
