/** The squared distance of two means, as the package computes it: differences in float32, their sum in double. */
export function distance(mean, bands, i, j) {
  let sum = 0;
  for (let b = 0; b < bands; b++) {
    const difference = Math.fround(mean[i * bands + b] - mean[j * bands + b]);
    sum += Math.fround(difference * difference);
  }
  return sum;
}
