// A host's stand-in for the parts of CUDA that the generated kernels use, one thread at a time.
//
// A thread of a block is a fiber; at a barrier it hands over to the next one. A barrier that not
// all threads reach is an error, which a GPU would answer by hanging or by wrong sums.
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

struct Dim3 {
  unsigned x, y, z;
};
static Dim3 gridDim, blockDim, blockIdx, threadIdx;

#define __global__
#define __device__
#define __shared__ static

enum State { READY, AT_WARP, AT_BLOCK, DONE };

enum { STACK = 1 << 16 };

struct Fiber {
  ucontext_t context;
  jmp_buf place;
  Dim3 index;
  State state;
  char *stack;
};

static ucontext_t start;
static jmp_buf scheduler;
static Fiber fibers[1024];
static unsigned running, threads;
static void (*body)(const void *);
static const void *body_arguments;
static char exchanged[1024][16];

// Jumps save no signal mask, which makes them many times faster than swapcontext.
static void wait_at(State barrier) {
  Fiber &fiber = fibers[running];
  fiber.state = barrier;
  if (!_setjmp(fiber.place)) _longjmp(scheduler, 1);
}
inline void __syncthreads() { wait_at(AT_BLOCK); }
inline void __syncwarp() { wait_at(AT_WARP); }
inline void __threadfence() {}

template <typename T> inline T __shfl_xor_sync(unsigned, T value, int bit) {
  memcpy(exchanged[running], &value, sizeof(T));
  __syncwarp();
  T other;
  memcpy(&other, exchanged[running ^ bit], sizeof(T));
  __syncwarp();
  return other;
}

inline unsigned atomicInc(unsigned *counter, unsigned limit) {
  const unsigned old = *counter;
  *counter = old >= limit ? 0 : old + 1;
  return old;
}

// A fiber's life: one block's thread after the other.
static void enter() {
  for (;;) {
    body(body_arguments);
    wait_at(DONE);
  }
}

static void resume(Fiber &fiber) {
  if (_setjmp(scheduler)) return;
  if (fiber.stack) _longjmp(fiber.place, 1);
  fiber.stack = (char *)malloc(STACK);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
  swapcontext(&start, &fiber.context);
}

// Threads [first, stop) go on together if all of them, but those that are done, wait there.
static bool release(unsigned first, unsigned stop, State barrier) {
  unsigned waiting = 0, done = 0;
  for (unsigned t = first; t < stop; ++t) {
    waiting += fibers[t].state == barrier;
    done += fibers[t].state == DONE;
  }
  if (!waiting || waiting + done < stop - first) return false;
  if (done) {
    fprintf(stderr, "a barrier was left out by %u threads\n", done);
    abort();
  }
  for (unsigned t = first; t < stop; ++t) fibers[t].state = READY;
  return true;
}

static void run_block(bool backwards) {
  for (unsigned t = 0; t < threads; ++t) {
    Fiber &fiber = fibers[t];
    fiber.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    fiber.state = READY;
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (unsigned n = 0; n < threads; ++n) {
      running = backwards ? threads - 1 - n : n;
      if (fibers[running].state != READY) continue;
      threadIdx = fibers[running].index;
      resume(fibers[running]);
      moved = true;
    }
    for (unsigned t = 0; t < threads; t += 32) moved |= release(t, t + 32 < threads ? t + 32 : threads, AT_WARP);
    moved |= release(0, threads, AT_BLOCK);
  }
  for (unsigned t = 0; t < threads; ++t)
    if (fibers[t].state != DONE) {
      fprintf(stderr, "threads wait at different barriers\n");
      abort();
    }
}

// `barriers` says whether threads wait for each other at all; those that do not are a plain loop.
static void launch(void (*kernel)(const void *), const unsigned *shape, const void *arguments, bool barriers,
                   bool backwards) {
  gridDim = {shape[0], shape[1], shape[2]};
  blockDim = {shape[3], shape[4], shape[5]};
  threads = blockDim.x * blockDim.y * blockDim.z;
  const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
  body = kernel;
  body_arguments = arguments;
  for (unsigned n = 0; n < blocks; ++n) {
    const unsigned b = backwards ? blocks - 1 - n : n;
    blockIdx = {b % gridDim.x, b / gridDim.x % gridDim.y, b / gridDim.x / gridDim.y};
    if (barriers) {
      run_block(backwards);
      continue;
    }
    for (unsigned t = 0; t < threads; ++t) {
      threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
      kernel(arguments);
    }
  }
}
