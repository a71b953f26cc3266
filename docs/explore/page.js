"use strict";
// The page's state, its controls, and what is computed when: a frame at a time, so that dragging never waits.

const SLICE = 7; // milliseconds of a frame for the map and the clouds; the rest is for the paths and the drawing
const MAP_SIZES = [16, 40, 96]; // pixels across: coarse at once, fine when there is time
const COUNT = 1000; // samples of a cloud
const find = (id) => document.getElementById(id);

const state = { x: [-0.38, 1.02], index: 0, steps: 4, seed: 1, set: null, student: null, playing: 0 };
const shown = { path: [], euler: [], landing: [0, 0], map: null, dots: [], frames: [] };
let content, colours, jobs = {}, dirty = true, waiting = false, spoken = 0;
const networks = new Map();

/** The network of that key, read once. */
function network(key) {
  if (!networks.has(key)) networks.set(key, readNetwork(bytesOf(content.weights[key])));
  return networks.get(key);
}

const time = () => PATH_TIMES[state.index];
const teacher = () => network(state.set.teacher);
const student = () => network(state.student.key);

/** Path, Euler's steps and jump from the present x. */
function compute() {
  shown.path = teacherPath(teacher(), state.x, state.index);
  shown.euler = eulerSteps(teacher(), state.x, time(), state.steps);
  shown.landing = answer(student(), state.x, time());
}

/** What depends on the data set or on light and dark. */
function recolour() {
  colours = palette();
  shown.dots = state.set.some.map((x) => dotColour(x, colours.dark));
}

/** The map of ends, coarse and then finer; each `yield` is a place to stop for this frame. */
function* mapJob() {
  const net = student(), t = time(), { dark } = colours;
  for (const num of MAP_SIZES) {
    const ends = [];
    for (let k = 0; k < num * num; k++) {
      ends.push(answer(net, mapPlace(k, num), t));
      if (k % 8 === 7) yield;
    }
    shown.map = mapImage(ends, num, dark);
    dirty = true;
  }
}

/** The samples of one cloud, then its energy distance. */
function* cloudJob(cloud) {
  const noise = noises(state.seed, COUNT), fresh = normals(state.seed + 1, COUNT), { points: data, within } = state.set;
  for (let k = 0; k < COUNT; k++) {
    cloud.points.push(cloud.sample(noise[k], fresh[k]));
    if (k % 4 === 3) yield;
    if (k % 100 === 99) paint(cloud);
  }
  cloud.distance = energyDistance(cloud.points, data, within) / state.set.floor.median;
  paint(cloud);
}

function* cloudsJob() {
  for (const cloud of clouds()) yield* cloudJob(cloud);
}

let panels = [];
function clouds() {
  const euler = (n) => (x) => eulerSteps(teacher(), x, T_MAX, n).at(-1);
  const jumps = (n) => (x, z) => studentSample(student(), x, n, z);
  const plural = (n, word) => `${n} ${word}${n > 1 ? "s" : ""}`;
  const rows = [1, 2].map((n) => ["student", `${state.student.short}, ${plural(n, "evaluation")}`, jumps(n)]);
  const steps = [...new Set([1, 2, state.steps])].sort((a, b) => a - b);
  rows.push(...steps.map((n) => ["euler", `Euler, ${plural(n, "step")}`, euler(n)]));
  panels = rows.map(([colour, title, sample]) => ({ colour, title, sample, points: [], distance: null }));
  find("clouds").replaceChildren(...[null, ...panels].map(figure));
  panels.forEach(paint);
  return panels;
}

const PARTS = ["figure", "canvas", "figcaption", "b", "span"];

/** The canvas and the caption of a cloud; without one, of the data. */
function figure(cloud) {
  const [box, canvas, caption, title, text] = PARTS.map((name) => document.createElement(name));
  canvas.setAttribute("role", "img");
  title.textContent = cloud ? cloud.title : "The data";
  text.textContent = cloud ? "…" : `${state.set.points.length} points`;
  caption.append(title, text);
  box.append(canvas, caption);
  if (cloud) Object.assign(cloud, { canvas, text });
  else requestAnimationFrame(() => drawCloud(canvas, state.set.points, [], colours.ink, colours));
  canvas.setAttribute("aria-label", cloud ? `Samples: ${cloud.title}` : "Points of the data");
  return box;
}

function paint(cloud) {
  if (!cloud.canvas.isConnected) return;
  drawCloud(cloud.canvas, cloud.points, state.set.points, colours[cloud.colour], colours);
  if (cloud.distance !== null) cloud.text.textContent = `energy distance: ${short(cloud.distance)} floors`;
}

const short = (x) => (x >= 100 ? Math.round(x).toLocaleString("en") : x >= 10 ? x.toFixed(0) : x.toFixed(1));
const place = ([x, y]) => `(${x.toFixed(2)}, ${y.toFixed(2)})`;

/** The numbers beside the plane, and for screen readers a sentence when the hand rests. */
function tell() {
  const end = shown.path[40], misses = { euler: gap(shown.euler.at(-1), end), student: gap(shown.landing, end) };
  for (const [way, miss] of Object.entries(misses)) {
    find(`${way}-miss`).textContent = miss.toFixed(3);
    find(`${way}-bar`).style.width = `${Math.min(4.5, 5 * miss)}rem`;
  }
  find("euler-name").textContent = state.steps === 1 ? "Euler, 1 step" : `Euler, ${state.steps} steps`;
  find("euler-calls").textContent = state.steps;
  find("path-calls").textContent = 2 * (39 - state.index) + 1;
  find("steps-out").textContent = state.steps;
  find("time").value = state.index;
  const level = SIGMA_DATA * Math.tan(time()), told = level >= 10 ? level.toFixed(0) : level.toPrecision(2);
  find("time-out").textContent = state.index ? `noise level ${told}` : "pure noise";
  find("time").setAttribute("aria-valuetext", `noise level ${told}`);
  clearTimeout(spoken);
  spoken = setTimeout(() => {
    find("status").textContent = `The state at noise level ${told} is ${place(state.x)}. ` +
      `The teacher's path ends at ${place(end)}. Euler with ${state.steps} evaluations misses it by ` +
      `${misses.euler.toFixed(2)}, the student's one evaluation by ${misses.student.toFixed(2)}.`;
  }, 500);
}

/** One frame: what moved is computed and drawn, then slices of what takes longer. */
function frame(now) {
  waiting = false;
  if (state.playing) play(now);
  if (dirty) {
    dirty = false;
    const start = performance.now();
    compute();
    drawPlane(find("plane"), { ...shown, index: state.index, data: state.set.some }, colours);
    tell();
    shown.frames.push(performance.now() - start);
  }
  const stop = performance.now() + SLICE;
  for (const name of ["map", "clouds"]) {
    while (jobs[name] && performance.now() < stop) if (jobs[name].next().done) delete jobs[name];
  }
  if (dirty || state.playing || jobs.map || jobs.clouds) wake();
}

function wake() {
  if (!waiting) requestAnimationFrame(frame);
  waiting = true;
}

/** After a change: "x" the point, "map" what the map depends on, "clouds" what the clouds depend on. */
function changed(...what) {
  dirty = true;
  if (what.includes("map")) jobs.map = mapJob();
  if (what.includes("clouds")) jobs.clouds = cloudsJob();
  wake();
}

/** Put x there, inside the plane. */
function moveTo([x, y]) {
  const inside = (v) => Math.min(Math.max(v, -REACH), REACH);
  state.x = [inside(x), inside(y)];
  changed("x");
}

/** Go to another time along the path of the present x. */
function goTo(index) {
  if (index === state.index) return;
  if (dirty) compute(); // x has moved since the last frame
  state.x = shown.path[index];
  state.index = index;
  changed("map");
}

/** From noise to data in five seconds. */
function play(now) {
  if (state.playing === true) state.playing = now;
  const index = Math.min(36, Math.floor((now - state.playing) / 140));
  goTo(index);
  if (index === 36) stopPlaying();
}

function stopPlaying() {
  state.playing = 0;
  find("play").textContent = "▶ Walk along the path";
}
