// What every generated kernel may call: the words of ffnn.backend.vocabulary that CUDA does not
// have, and sums over a warp or a grid whose order, and so whose last bit, is always the same.

#define EVERY_LANE 0xffffffffu

// As NumPy's: NaN where either value is NaN.
template <typename T> __device__ inline T maximum(T a, T b) { return a > b || a != a ? a : b; }
template <typename T> __device__ inline T minimum(T a, T b) { return a < b || a != a ? a : b; }

// Python's division: of two integers it is no integer.
template <typename T, typename V> __device__ inline T real(V value) { return T(value); }
template <typename T> __device__ inline float real(float value) { return value; }
template <typename T> __device__ inline double real(double value) { return value; }

// See ffnn.backend.vocabulary.uniform, with which it agrees bit by bit. A key that is a float, which a plain number
// becomes, does not compile: it may be rounded.
template <typename K> __device__ float uniform(unsigned index, K key) = delete;
__device__ inline float uniform(unsigned index, unsigned key) {
  unsigned bits = index;
  for (int round = 0; round < 2; ++round) {
    bits ^= key;
    bits = (bits ^ (bits >> 16)) * 0x85EBCA6Bu;
    bits = (bits ^ (bits >> 13)) * 0xC2B2AE35u;
    bits ^= bits >> 16;
  }
  return float(bits >> 8) * 5.9604644775390625e-8f;
}

// After an exchange with the lane that differs in one bit of its number, both lanes hold the same
// bits, as a + b is b + a; so in the end all 32 do.
template <typename T> __device__ inline T warp_sum(T value) {
  for (int bit = 16; bit; bit >>= 1) value += __shfl_xor_sync(EVERY_LANE, value, bit);
  return value;
}

template <typename T> __device__ inline T warp_maximum(T value) {
  for (int bit = 16; bit; bit >>= 1) value = maximum<T>(value, __shfl_xor_sync(EVERY_LANE, value, bit));
  return value;
}

// Whether b at place q comes before a at place p as the largest: NaN is larger than any number,
// and of equals the first counts.
template <typename T> __device__ inline bool larger(T a, long long p, T b, long long q) {
  if (a != a || b != b) return b != b && (a == a || q < p);
  return b > a || (b == a && q < p);
}

template <typename T> __device__ inline long long warp_argmax(T value, long long place) {
  for (int bit = 16; bit; bit >>= 1) {
    const T other = __shfl_xor_sync(EVERY_LANE, value, bit);
    const long long other_place = __shfl_xor_sync(EVERY_LANE, place, bit);
    if (larger<T>(value, place, other, other_place)) {
      value = other;
      place = other_place;
    }
  }
  return place;
}

// Whether this block is the last of `blocks` to arrive, having made its results visible to the
// others; the counter is then 0 again. For all threads of the block, at the same time.
__device__ inline bool arrives_last(unsigned *counter, unsigned blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) last = atomicInc(counter, blocks - 1) == blocks - 1;
  __syncthreads();
  const bool result = last;
  __threadfence();
  __syncthreads();
  return result;
}

// *out = the sum over all blocks along x of what their warps hold, blocks being (32, up to 32).
// `parts` has a place for each block, which the last one adds up.
__device__ inline void grid_total(double value, double *out, double *parts, unsigned *counter) {
  __shared__ double warps[32];
  if (threadIdx.x == 0) warps[threadIdx.y] = value;
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    double sum = 0;
    for (unsigned w = 0; w < blockDim.y; ++w) sum += warps[w];
    if (gridDim.x == 1) *out = sum;
    else parts[blockIdx.x] = sum;
  }
  if (gridDim.x > 1 && arrives_last(counter, gridDim.x) && threadIdx.y == 0) {
    double sum = 0;
    for (unsigned b = threadIdx.x; b < gridDim.x; b += 32) sum += *(volatile double *)(parts + b);
    sum = warp_sum<double>(sum);
    if (threadIdx.x == 0) *out = sum;
  }
  __syncthreads();
}
