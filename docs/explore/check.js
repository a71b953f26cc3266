"use strict";
// For the tests: #check={...} in the address makes the page print its numbers as JSON, after a drag.

/** asked: {noises, fresh: points [x, y], steps: numbers of Euler steps, index: of a time, drag: points}. */
function check(asked) {
  const told = { sets: {}, colours: asked.noises.map(endColour), normals: normals(7, 2000) };
  for (const set of content.sets) {
    const net = network(set.teacher), found = { euler: {}, students: {} };
    found.path = asked.noises.map((x) => teacherPath(net, x, 0)[40]);
    found.back = asked.noises.map((x) => teacherPath(net, teacherPath(net, x, 0)[asked.index], asked.index)[0]);
    for (const n of asked.steps) found.euler[n] = asked.noises.map((x) => eulerSteps(net, x, T_MAX, n).at(-1));
    for (const { key } of set.students) {
      found.students[key] = {
        one: asked.noises.map((x) => answer(network(key), x, T_MAX)),
        later: asked.noises.map((x) => answer(network(key), x, PATH_TIMES[asked.index])),
        two: asked.noises.map((x, k) => studentSample(network(key), x, 2, asked.fresh[k])),
      };
    }
    const cloud = noises(7, COUNT).map((x) => answer(network(set.students[0].key), x, T_MAX));
    found.cloud = energyDistance(cloud, set.points, set.within);
    told.sets[set.name] = found;
  }
  told.drag = drag(asked.drag);
  told.keys = press(["ArrowRight", "ArrowUp"]);
  told.time = { x: timed(asked.index), map: Boolean(jobs.map) };
  told.status = find("plane").getAttribute("aria-label");
  const out = document.createElement("pre");
  out.id = "check";
  out.textContent = JSON.stringify(told);
  document.body.append(out);
}

/** Pointer events as a hand makes them, a frame after each: x, the ends from there, milliseconds of a frame. */
function drag(points) {
  const plane = find("plane"), box = plane.getBoundingClientRect(), seen = [];
  const send = (kind, x) => {
    const [a, b] = toCanvas(x, box.width);
    const where = { clientX: box.left + a, clientY: box.top + b, bubbles: true, pointerId: 1 };
    plane.dispatchEvent(new PointerEvent(kind, where));
    frame(performance.now());
    seen.push({ x: state.x, path: shown.path[40], euler: shown.euler.at(-1), landing: shown.landing });
  };
  send("pointerdown", points[0]);
  points.slice(1).forEach((x) => send("pointermove", x));
  send("pointerup", points.at(-1));
  send("pointermove", [0, 0]); // nobody holds it now
  return { seen, steps: state.steps, milliseconds: shown.frames.slice(-points.length) };
}

function press(keys) {
  keys.forEach((key) => find("plane").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })));
  return state.x;
}

/** Move the slider of times, and where x is then. */
function timed(index) {
  find("time").value = index;
  find("time").dispatchEvent(new Event("input"));
  return state.x;
}
