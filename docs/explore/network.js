"use strict";
// The package's small network in plain JavaScript, float64: minicm/nets/mlp.py and the scalings of TrigFlow.

const SIGMA_DATA = 0.5;
const T_MIN = Math.atan(0.002 / SIGMA_DATA), T_MAX = Math.atan(80 / SIGMA_DATA); // angles

/** The bytes of a base64 text. */
function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/** A half-precision number from its 16 bits. */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** {name: {shape, values (Float64Array)}} of a safetensors file: its length of header, its header, its numbers. */
function readSafetensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const tensors = {};
  delete header.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const size = { F32: 4, F16: 2 }[dtype];
    if (!size) throw new Error(`expected weights as F32 or F16, got ${dtype} in ${name}`);
    const read = size === 4 ? (k) => view.getFloat32(k, true) : (k) => fromHalf(view.getUint16(k, true));
    const values = Float64Array.from({ length: (to - from) / size }, (_, k) => read(start + from + size * k));
    tensors[name] = { shape, values };
  }
  return tensors;
}

/** The layers of a stored MLP, the frequencies of its time features, and how many times it is told. */
function readNetwork(bytes) {
  const tensors = readSafetensors(bytes), layers = [];
  const layer = (name) => packed(tensors[`${name}.weight`], tensors[`${name}.bias`]);
  while (`network.hidden.${layers.length}.weight` in tensors) layers.push(layer(`network.hidden.${layers.length}`));
  layers.push(layer("network.last"));
  const frequencies = Float64Array.from({ length: 8 }, (_, k) => 0.1 * 32 ** (k / 7)); // .1 to 3.2, geometric
  return { layers, frequencies, times: (layers[0].inputs - 2) / 16 };
}

/** A layer whose weights lie in the order in which `affine` reads them: four outputs side by side for each input. */
function packed({ shape: [outputs, inputs], values }, { values: biases }) {
  const blocks = Math.ceil(outputs / 4), bias = new Float64Array(4 * blocks);
  const weight = new Float64Array(bias.length * inputs);
  bias.set(biases);
  for (let j = 0; j < outputs; j++) {
    for (let i = 0; i < inputs; i++) weight[4 * ((j >> 2) * inputs + i) + (j & 3)] = values[j * inputs + i];
  }
  return { outputs, inputs, weight, bias };
}

/** out = weight · input + bias, four outputs at a time, so that the processor waits for no sum. */
function affine({ inputs, weight, bias }, input, out) {
  let at = 0;
  for (let j = 0; j < bias.length; j += 4) {
    let a = bias[j], b = bias[j + 1], c = bias[j + 2], d = bias[j + 3];
    for (let i = 0; i < inputs; i++) {
      const x = input[i];
      a += weight[at] * x;
      b += weight[at + 1] * x;
      c += weight[at + 2] * x;
      d += weight[at + 3] * x;
      at += 4;
    }
    out[j] = a;
    out[j + 1] = b;
    out[j + 2] = c;
    out[j + 3] = d;
  }
}

const roomA = new Float64Array(1024), roomB = new Float64Array(1024);

/** F(x/σ_d, times): the point [x, y], and [t], or [t, s] of a flow map, which is told t and t − s. */
function evaluate({ layers, frequencies, times }, [x, y], t, s) {
  let input = roomA, out = roomB, at = 2;
  input[0] = x / SIGMA_DATA;
  input[1] = y / SIGMA_DATA;
  for (const angle of times === 2 ? [t, t - s] : [t]) {
    for (let k = 0; k < 8; k++) {
      input[at + k] = Math.sin(angle * frequencies[k]);
      input[at + 8 + k] = Math.cos(angle * frequencies[k]);
    }
    at += 16;
  }
  layers.forEach((layer, depth) => {
    affine(layer, input, out);
    const units = depth < layers.length - 1 ? layer.outputs : 0; // SiLU, but for the last layer
    for (let j = 0; j < units; j++) out[j] /= 1 + Math.exp(-out[j]);
    [input, out] = [out, input];
  });
  return [input[0], input[1]];
}

/** The velocity dx/dt = σ_d F of the diffusion model at (x, t). */
function velocity(network, x, t) {
  const [a, b] = evaluate(network, x, t, t);
  return [SIGMA_DATA * a, SIGMA_DATA * b];
}

/** The rotation cos(t − s) x + sin(s − t) v: a DDIM step; to s = 0 it is the denoiser D(x, t). */
function rotated([x, y], [a, b], t, s) {
  const cos = Math.cos(t - s), sin = Math.sin(s - t);
  return [cos * x + sin * a, cos * y + sin * b];
}

/** One evaluation: f(x, t) of a consistency model, D(x, t) of a teacher, the jump to t_min of a flow map. */
function answer(network, x, t) {
  const end = network.times === 2 ? T_MIN : 0;
  const [a, b] = evaluate(network, x, t, end);
  return rotated(x, [SIGMA_DATA * a, SIGMA_DATA * b], t, end);
}
