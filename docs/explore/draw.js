"use strict";
// What the canvases show: the map of ends, the paths of one noise, and clouds of points.

const REACH = 1.4; // data units from the middle of the plane to its edge

/** A colour [r, g, b], 0 to 1, for each place of the plane: minicm/plotting/colours.py, its radius .7. */
function endColour([a, b]) {
  let x = a / 0.7, y = b / 0.7;
  const reach = Math.hypot(x, y);
  x /= Math.max(reach, 1);
  y /= Math.max(reach, 1);
  const light = 0.64 + 0.3 * (1 - Math.min(reach, 1)) - 0.24 * x + 0.08 * y, p = 0.14 * x, q = 0.14 * y;
  const l = (light + 0.3963377774 * p + 0.2158037573 * q) ** 3;
  const m = (light - 0.1055613458 * p - 0.0638541728 * q) ** 3;
  const s = (light - 0.0894841775 * p - 1.291485548 * q) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((v) => Math.min(Math.max(v, 0), 1)).map((v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
}

/** The colour of a point of the data on the map: that of its place, darker on a light page. */
function dotColour(x, dark) {
  return `rgb(${endColour(x).map((v) => Math.round((dark ? 255 : 184) * v)).join(" ")})`;
}

/** The colours of the page as it looks now, light or dark. */
function palette() {
  const style = getComputedStyle(document.documentElement), probe = document.createElement("i");
  document.body.append(probe);
  const names = ["paper", "ink", "faint", "euler", "student"];
  const found = Object.fromEntries(names.map((name) => {
    probe.style.color = style.getPropertyValue(`--${name}`);
    return [name, getComputedStyle(probe).color];
  }));
  found.dark = isDark();
  probe.remove();
  return found;
}

/** Whether the page is dark: its own choice, or else the system's. */
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A canvas with as many pixels as the screen has there, its unit the CSS pixel; returns its context and width. */
function prepared(canvas) {
  const width = canvas.clientWidth, sharp = window.devicePixelRatio || 1, pixels = Math.round(width * sharp);
  if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
  const context = canvas.getContext("2d");
  context.setTransform(pixels / width, 0, 0, pixels / width, 0, 0);
  context.clearRect(0, 0, width, width);
  return [context, width];
}

/** From the plane to the canvas, and back. */
const toCanvas = ([x, y], width) => [(width * (x + REACH)) / (2 * REACH), (width * (REACH - y)) / (2 * REACH)];
const toPlane = ([a, b], width) => [(2 * REACH * a) / width - REACH, REACH - (2 * REACH * b) / width];

/** The map of ends as an image of num x num pixels; ends: row by row from the top. */
function mapImage(ends, num, dark) {
  const canvas = document.createElement("canvas"), pale = dark ? [0, 0.5] : [0.34, 0.66];
  canvas.width = canvas.height = num;
  const context = canvas.getContext("2d"), image = context.createImageData(num, num);
  ends.forEach((end, k) => {
    const rgb = endColour(end).map((v) => 255 * (pale[0] + pale[1] * v));
    image.data.set([...rgb, 255], 4 * k);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The centre of pixel k of such a map. */
function mapPlace(k, num) {
  return toPlane([(k % num) + 0.5, Math.floor(k / num) + 0.5], num);
}

function line(context, points, colour, width, dashes = []) {
  context.beginPath();
  points.forEach(([a, b]) => context.lineTo(a, b));
  context.setLineDash(dashes);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
  context.setLineDash([]);
}

/** A mark with a rim of paper, so that it can be seen on every colour. */
function mark(context, shape, [a, b], size, colour, rim) {
  context.beginPath();
  if (shape === "circle") context.arc(a, b, size, 0, 7);
  if (shape === "square") context.rect(a - size, b - size, 2 * size, 2 * size);
  if (shape === "diamond") {
    const far = 1.35 * size;
    for (const [p, q] of [[0, -far], [far, 0], [0, far], [-far, 0]]) context.lineTo(a + p, b + q);
  }
  context.closePath();
  context.strokeStyle = rim;
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.stroke();
  context.fillStyle = colour;
  context.fill();
}

/** The plane: the map, some data, the teacher's path before and after x, Euler's steps, the student's jump. */
function drawPlane(canvas, view, colours) {
  const [context, width] = prepared(canvas), at = (x) => toCanvas(x, width), k = view.index;
  if (view.map) context.drawImage(view.map, 0, 0, width, width);
  view.data.forEach((x, i) => {
    const [a, b] = at(x);
    context.fillStyle = view.dots[i];
    context.fillRect(a - 1.1, b - 1.1, 2.2, 2.2);
  });
  const path = view.path.map(at), euler = view.euler.map(at), here = path[k], landing = at(view.landing);
  context.lineJoin = context.lineCap = "round";
  line(context, path.slice(0, k + 1), colours.paper, 3);
  line(context, path.slice(0, k + 1), colours.ink, 1, [2, 4]);
  for (const [points, colour, dashes] of [
    [path.slice(k), colours.ink, []], [euler, colours.euler, []], [[here, landing], colours.student, [7, 6]],
  ]) {
    line(context, points, colours.paper, 6);
    line(context, points, colour, 2.4, dashes);
  }
  euler.slice(1).forEach((x) => mark(context, "square", x, 4, colours.euler, colours.paper));
  mark(context, "circle", path[40], 6.5, colours.ink, colours.paper);
  mark(context, "diamond", landing, 6.5, colours.student, colours.paper);
  mark(context, "circle", here, 10, colours.paper, colours.ink);
  mark(context, "circle", here, 3.2, colours.ink, colours.paper);
}

/** A cloud of points in one colour, over the data in grey. */
function drawCloud(canvas, points, data, colour, colours) {
  const [context, width] = prepared(canvas);
  for (const [set, fill] of [[data, colours.faint], [points, colour]]) {
    context.fillStyle = fill;
    context.globalAlpha = set === data ? 0.55 : 0.75;
    for (const x of set) {
      const [a, b] = toCanvas(x, width);
      context.fillRect(a - 1, b - 1, 2, 2);
    }
  }
  context.globalAlpha = 1;
}
