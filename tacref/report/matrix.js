// The pairs: matrices and curves that follow the videos and seek them.
const shareIn = (element, event) => {
  const box = element.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((share) => clamp(share, 0, 1));
};
function drag(element, move) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    move(...shareIn(element, event));
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) move(...shareIn(element, event));
  });
}

for (const video of others) {
  const section = at("pair-" + video.index), plot = at("plot-" + video.index), hover = at("hover-" + video.index);
  const mark = (name) => plot.querySelector("." + name).style;
  const needles = section.querySelectorAll("[data-seek] .needle");
  const { rows, columns, low, high } = video.costs, levels = atob(video.costs.levels);

  // Rows and columns of the picture are frames, not seconds.
  const rowOf = (time) => (frameOf(reference, time) + 0.5) / reference.frames;
  const columnOf = (time) => (frameOf(video, time) + 0.5) / video.frames;
  const frameAt = (own, share) => Math.min(own.frames - 1, Math.floor(share * own.frames));
  function costAt(right, down) {
    const row = Math.min(rows - 1, Math.floor(down * rows)), column = Math.min(columns - 1, Math.floor(right * columns));
    return low + ((high - low) * levels.charCodeAt(row * columns + column)) / 255;
  }

  painters.push((time) => {
    if (section.hidden) return;
    const own = video.media.currentTime, down = percent(rowOf(time)), right = percent(columnOf(own));
    mark("row").top = mark("dot").top = down;
    mark("column").left = mark("dot").left = right;
    for (const needle of needles) needle.style.left = percent(time / reference.duration);
    const [index] = locate(data.times, time), pace = video.speeds[index];
    at("pace-" + video.index).textContent = pace === null ? "it jumps" : pace.toFixed(2) + "×";
    const peak = video.peaks[index];
    at("cost-" + video.index).textContent = peak === null ? "not matched" : peak.toPrecision(3);
  });

  // The small pictures nearest to the frames under the pointer.
  const peeks = section.querySelector(".peeks");
  const showPeek = [reference, video].map((own, k) => {
    if (own.peeks) {
      Object.assign(peeks.children[k].style, {
        aspectRatio: own.peeks.aspect,
        backgroundImage: 'url("' + own.peeks.picture + '")',
        backgroundSize: 100 * own.peeks.count + "% 100%",
      });
    }
    return (frame) => {
      const last = own.peeks ? own.peeks.count - 1 : 0, number = Math.round((frame / (own.frames - 1 || 1)) * last);
      peeks.children[k].style.backgroundPositionX = percent(number / (last || 1));
    };
  });
  peeks.hidden = !reference.peeks && !video.peeks;

  plot.addEventListener("pointermove", (event) => {
    const [right, down] = shareIn(plot, event), a = frameAt(reference, down), b = frameAt(video, right);
    peeks.style.visibility = "visible";
    [a, b].forEach((frame, k) => showPeek[k](frame));
    hover.textContent = "A " + timeOf(reference, a).toFixed(2) + " s (frame " + a + "), " + video.letter + " " +
      timeOf(video, b).toFixed(2) + " s (frame " + b + "): cost " + costAt(right, down).toPrecision(3);
  });
  plot.addEventListener("pointerleave", () => {
    hover.textContent = "\u00a0";
    peeks.style.visibility = "hidden";
  });

  drag(plot, (right, down) => {
    const a = middleOf(reference, frameAt(reference, down)), b = middleOf(video, frameAt(video, right));
    if (!aligned) {
      seek(reference, a);
      seek(video, b);
      return paint();
    }
    // In step: go to the nearest point of the path.
    let best = 0, least = Infinity;
    data.times.forEach((time, index) => {
      const distance = ((time - a) / reference.duration) ** 2 + ((video.matches[index] - b) / video.duration) ** 2;
      if (distance < least) [best, least] = [index, distance];
    });
    show(middleOf(reference, frameOf(reference, data.times[best] + 1e-6)));
  });
  section.querySelectorAll("[data-seek]").forEach((curve) => drag(curve, (right) => show(right * reference.duration)));
  section.querySelectorAll("[data-frame]").forEach((button) =>
    button.addEventListener("click", () => showFrame(Number(button.dataset.frame))));
  section.querySelectorAll("[name=picture-" + video.index + "]").forEach((radio) =>
    radio.addEventListener("change", () => {
      plot.querySelector(".distances").hidden = radio.value !== "distances";
      plot.querySelector(".expected").hidden = radio.value !== "expected";
    }));
}

const chooser = at("chooser");
function choose(index) {
  const time = reference.media.currentTime;
  selected = index;
  for (const video of others) {
    at("pair-" + video.index).hidden = video.index !== selected;
    video.figure.hidden = !inView(video);
    if (!inView(video)) video.media.pause();
    else if (playing) video.media.play().catch(() => {});
  }
  show(time);
}
if (chooser) chooser.addEventListener("change", () => choose(Number(chooser.value)));
choose(1);
