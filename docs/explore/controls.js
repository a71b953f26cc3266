"use strict";
// What the learner can touch: pointer, keys, lists, sliders and buttons; and where the page begins.

function choose(name) {
  state.set = content.sets.find((set) => set.name === name);
  recolour();
  const students = state.set.students.map(({ key, title }) => new Option(title, key));
  find("student").replaceChildren(...students);
  const { low, high } = state.set.floor;
  find("floors").textContent = "The energy distance tells how far a thousand samples are from the data. " +
    "It is counted in floors: 1 floor is what a thousand fresh points of the data themselves score, their median. " +
    `Nine of ten such sets score ${low.toFixed(1)} to ${high.toFixed(1)}. So about 1 is perfect.`;
  chooseStudent(state.set.students[0].key);
}

function chooseStudent(key) {
  state.student = state.set.students.find((one) => one.key === key);
  find("about").textContent = state.student.words;
  shown.map = null;
  changed("map", "clouds");
}

function connect() {
  const plane = find("plane"), at = (event) => {
    const box = plane.getBoundingClientRect();
    return toPlane([event.clientX - box.left, event.clientY - box.top], box.width);
  };
  plane.addEventListener("pointerdown", (event) => {
    stopPlaying();
    plane.focus({ preventScroll: true });
    try { plane.setPointerCapture(event.pointerId); } catch { /* a pointer that is no device's */ }
    state.dragging = true;
    moveTo(at(event));
    event.preventDefault();
  });
  plane.addEventListener("pointermove", (event) => { if (state.dragging) moveTo(at(event)); });
  for (const kind of ["pointerup", "pointercancel"]) plane.addEventListener(kind, () => { state.dragging = false; });
  plane.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "r" || event.key === "R") another();
    if (!step) return;
    const size = event.shiftKey ? 0.01 : 0.05;
    moveTo([state.x[0] + size * step[0], state.x[1] + size * step[1]]);
    event.preventDefault();
  });
  find("set").addEventListener("change", (event) => choose(event.target.value));
  find("student").addEventListener("change", (event) => chooseStudent(event.target.value));
  find("steps").addEventListener("input", (event) => { state.steps = +event.target.value; changed("x"); });
  find("steps").addEventListener("change", () => changed("clouds"));
  find("time").addEventListener("input", (event) => { stopPlaying(); goTo(+event.target.value); });
  find("play").addEventListener("click", () => {
    if (state.playing) return stopPlaying();
    goTo(0);
    state.playing = true;
    find("play").textContent = "■ Stop";
    wake();
  });
  find("random").addEventListener("click", another);
  find("draw").addEventListener("click", () => { state.seed += 2; changed("clouds"); });
  find("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  new ResizeObserver(() => changed("x")).observe(plane);
}

/** Another noise, drawn from the standard normal law, in front of pure noise. */
function another() {
  stopPlaying();
  state.draws = (state.draws || 100) + 1;
  const found = noises(state.draws, 20).find(([x, y]) => Math.max(Math.abs(x), Math.abs(y)) < 1.2);
  if (state.index) { state.index = 0; jobs.map = mapJob(); }
  moveTo(found);
}

function repaint() {
  recolour();
  changed("map", "clouds");
}

/** After the # of the address: theme=dark&set=moons&student=moons_ect&steps=2&time=20&x=.5,.2, or some of them. */
function arrange(asked) {
  const set = content.sets.find(({ name }) => name === asked.get("set"));
  if (set) choose(find("set").value = set.name);
  const student = state.set.students.find(({ key }) => key === asked.get("student"));
  if (student) chooseStudent(find("student").value = student.key);
  const within = (name, low, high) => Math.min(Math.max(Math.round(asked.get(name)) || 0, low), high);
  if (asked.has("steps")) state.steps = find("steps").value = within("steps", 1, 40);
  if (asked.has("x")) moveTo(asked.get("x").split(",").map((v) => +v || 0));
  if (asked.has("time")) goTo(within("time", 0, 36));
  changed("map", "clouds");
}

function start() {
  content = JSON.parse(find("content").textContent);
  for (const set of content.sets) {
    const numbers = new Float32Array(bytesOf(set.data).buffer);
    set.points = Array.from({ length: numbers.length / 2 }, (_, k) => [numbers[2 * k], numbers[2 * k + 1]]);
    set.some = set.points.slice(0, 600);
    set.within = meanDistance(set.points, set.points);
  }
  find("main").hidden = false;
  find("set").replaceChildren(...content.sets.map(({ name, title }) => new Option(title, name)));
  choose(content.sets[0].name);
  connect();
}

function fail(error) {
  find("notice").textContent = `Something went wrong in this page: ${error.message}. ` +
    "Try a current browser, or make the page anew with make explore.";
  find("notice").hidden = false;
}

addEventListener("error", (event) => fail(event.error || event));

try {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (asked.has("theme")) document.documentElement.dataset.theme = asked.get("theme");
  start();
  arrange(asked);
  if (asked.has("check")) check(JSON.parse(asked.get("check")));
} catch (error) {
  fail(error);
}
