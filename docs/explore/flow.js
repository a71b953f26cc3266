"use strict";
// Ways from noise to data: the teacher's path, Euler's steps, a student's jumps; and clouds of samples, measured.

/** Angles of the Karras grid with so many intervals, from t_max to t_min: minicm/times.py, path.grid. */
function karrasGrid(steps, low = 0.002, high = 80) {
  const first = high ** (1 / 7), last = low ** (1 / 7);
  const times = Float64Array.from({ length: steps + 1 }, (_, i) =>
    Math.atan((first + (i / steps) * (last - first)) ** 7 / SIGMA_DATA));
  times[0] = Math.atan(high / SIGMA_DATA);
  times[steps] = Math.atan(low / SIGMA_DATA);
  return times;
}

const PATH_TIMES = karrasGrid(39); // the teacher's path: Heun on 39 intervals, then its denoiser: 79 evaluations
const MIDDLE = 1.1; // the second level of two evaluations, an angle

/** x at s, by Heun's method. */
function heun(network, [x, y], t, s) {
  const h = s - t, [a, b] = velocity(network, [x, y], t);
  const [c, d] = velocity(network, [x + h * a, y + h * b], s);
  return [x + (h / 2) * (a + c), y + (h / 2) * (b + d)];
}

/** The states of the teacher's path at every time of PATH_TIMES, through x at time number `index`; then its end. */
function teacherPath(network, x, index) {
  const states = [];
  states[index] = x;
  for (let k = index; k < 39; k++) states[k + 1] = heun(network, states[k], PATH_TIMES[k], PATH_TIMES[k + 1]);
  for (let k = index; k > 0; k--) states[k - 1] = heun(network, states[k], PATH_TIMES[k], PATH_TIMES[k - 1]);
  states[40] = answer(network, states[39], T_MIN);
  return states;
}

/** The states of N Euler steps from x at t to 0, in the noise level (DDIM); the last is the denoiser's answer. */
function eulerSteps(network, x, t, steps) {
  const times = karrasGrid(steps, 0.002, SIGMA_DATA * Math.tan(t)), states = [x];
  times[steps] = 0;
  for (let k = 0; k < steps; k++) {
    const v = velocity(network, states[k], times[k]);
    states.push(rotated(states[k], v, times[k], times[k + 1]));
  }
  return states;
}

/** Student samples: one evaluation from t_max, or two with the level MIDDLE between; z is fresh standard noise. */
function studentSample(network, x, evaluations, z) {
  if (evaluations === 1) return answer(network, x, T_MAX);
  if (network.times === 2) { // a flow map jumps on along the flow
    const [a, b] = evaluate(network, x, T_MAX, MIDDLE);
    return answer(network, rotated(x, [SIGMA_DATA * a, SIGMA_DATA * b], T_MAX, MIDDLE), MIDDLE);
  }
  const first = answer(network, x, T_MAX), keep = Math.cos(MIDDLE) / Math.cos(T_MIN);
  const add = SIGMA_DATA * Math.sqrt(Math.sin(MIDDLE) ** 2 - (keep * Math.sin(T_MIN)) ** 2);
  return answer(network, [keep * first[0] + add * z[0], keep * first[1] + add * z[1]], MIDDLE);
}

/** Standard normal points [x, y], the same for the same seed: mulberry32, and the formula of Box and Muller. */
function normals(seed, count) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
  return Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** Noise at t_max: σ_d sin(t_max) ε. */
function noises(seed, count) {
  const scale = SIGMA_DATA * Math.sin(T_MAX);
  return normals(seed, count).map(([x, y]) => [scale * x, scale * y]);
}

/** E|x − y| over all pairs of two sets of points. */
function meanDistance(xs, ys) {
  let sum = 0;
  for (const [a, b] of xs) for (const [c, d] of ys) sum += Math.sqrt((a - c) * (a - c) + (b - d) * (b - d));
  return sum / (xs.length * ys.length);
}

/** 2 E|x − y| − E|x − x'| − E|y − y'|: 0 for equal sets; `within` is the last term, if it is known. */
function energyDistance(xs, ys, within = meanDistance(ys, ys)) {
  return 2 * meanDistance(xs, ys) - meanDistance(xs, xs) - within;
}

const gap = ([a, b], [c, d]) => Math.hypot(a - c, b - d);
