// Which clips are shown, and which one is compared with the reference; the table of a group.
const views = at("videos"), clips = at("clips"), rows = clips ? [...clips.rows] : [];

function setShown(video, shown) {
  video.shown = shown;
  video.figure.hidden = !shown;
  if (!(video.media instanceof Clock)) video.media.preload = shown ? "auto" : "none";
  if (!shown) video.media.pause();
  else if (playing) video.media.play().catch(() => {});
  views.dataset.count = videos.filter(inView).length; // layout.css has the columns
}

// Compare a video with the reference: its section is on the page, and it is in view.
function choose(index) {
  const time = reference.media.currentTime;
  for (const video of others) at("pair-" + video.index).hidden = video.index !== index;
  for (const row of rows) {
    const button = row.querySelector(".pick"), chosen = Number(button.value) === index;
    button.setAttribute("aria-pressed", chosen);
    if (chosen) row.querySelector(".shown").checked = true;
  }
  setShown(videos[index], true);
  show(time);
}

for (const row of rows) {
  const box = row.querySelector(".shown"), video = videos[Number(box.value)];
  box.checked = video.shown; // a browser may remember another choice
  box.addEventListener("change", () => {
    setShown(video, box.checked);
    if (box.checked) seek(video, due(video, reference.media.currentTime)[0]);
    paint();
  });
  row.querySelector(".pick").addEventListener("click", () => choose(video.index));
}

if (clips) {
  const heads = [...document.querySelectorAll(".clips [data-key]")].map((button) => button.closest("th"));
  for (const head of heads) {
    const { key } = head.firstElementChild.dataset;
    head.firstElementChild.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      rows.sort((one, other) => sign * (one.dataset[key] - other.dataset[key]));
      clips.append(...rows);
    });
  }
}

const search = at("search");
if (search) {
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.querySelector(".pick").textContent.toLowerCase().includes(wanted);
    at("found").textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length;
  });
}
choose(1);
