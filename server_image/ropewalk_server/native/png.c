/* PNG's line filters undone (https://www.w3.org/TR/png-3/#9Filters).
 *
 * `lines` are `height` lines of `stride` bytes, each with the number of its filter ahead; `out` has room for
 * height * stride bytes, `channels` is from 1 to stride. Returns 1, or 0 where a line names no filter. As in numbers.c:
 * no byte beyond is read or written, nothing is allocated, and no function of the C library is called.
 */
#include <stdint.h>

static inline int distance(int a, int b) { return a < b ? b - a : a - b; }

static inline int paeth(int left, int up, int corner)
{
    int estimate = left + up - corner;
    int to_left = distance(estimate, left), to_up = distance(estimate, up), to_corner = distance(estimate, corner);
    if (to_left <= to_up && to_left <= to_corner)
        return left;
    return to_up <= to_corner ? up : corner;
}

__attribute__((visibility("default")))
int64_t ropewalk_unfilter(const uint8_t *lines, int64_t height, int64_t stride, int64_t channels, uint8_t *out)
{
    for (int64_t y = 0; y < height; y++, lines += stride + 1, out += stride) {
        const uint8_t *in = lines + 1, *above = y ? out - stride : out; /* of the first line never looked at */
        int filter = *lines;
        if (filter > 4)
            return 0;
        for (int64_t x = 0; x < stride; x++) {
            int left = x < channels ? 0 : out[x - channels], up = y ? above[x] : 0;
            int corner = y && x >= channels ? above[x - channels] : 0, guess = 0;
            switch (filter) {
            case 1: guess = left; break;
            case 2: guess = up; break;
            case 3: guess = (left + up) / 2; break;
            case 4: guess = paeth(left, up, corner); break;
            }
            out[x] = (uint8_t)(in[x] + guess);
        }
    }
    return 1;
}
