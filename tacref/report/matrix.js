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
    at("pace-" + video.index).textContent = absence(video, time) || (pace === null ? "it jumps" : pace.toFixed(2) + "×");
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

  // Below the matrix: the frames under the pointer or, without one, those that are playing.
  let pointing = false;
  function tell(a, b, cost) {
    [a, b].forEach((frame, k) => showPeek[k](frame));
    hover.textContent = "A " + timeOf(reference, a).toFixed(2) + " s (frame " + a + "), " + video.letter + " " +
      timeOf(video, b).toFixed(2) + " s (frame " + b + "): cost " + cost.toPrecision(3);
  }
  function tellCurrent(time) {
    if (section.hidden || pointing) return;
    const own = video.media.currentTime;
    tell(frameOf(reference, time), frameOf(video, own), costAt(columnOf(own), rowOf(time)));
  }
  painters.push(tellCurrent);
  plot.addEventListener("pointermove", (event) => {
    const [right, down] = shareIn(plot, event);
    pointing = true;
    tell(frameAt(reference, down), frameAt(video, right), costAt(right, down));
  });
  plot.addEventListener("pointerleave", () => {
    pointing = false;
    tellCurrent(reference.media.currentTime);
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
  // Costs or the expected alignment: each has its picture, legend and caption.
  function picture(value) {
    for (const element of section.querySelectorAll(".of-distances, .of-expected")) {
      element.hidden = !element.classList.contains("of-" + value);
    }
    plot.setAttribute("aria-label", plot.dataset[value]);
  }
  for (const radio of section.querySelectorAll("[name=picture-" + video.index + "]")) {
    radio.addEventListener("change", () => picture(radio.value));
    if (radio.checked) picture(radio.value); // a browser may remember a choice
  }
}
