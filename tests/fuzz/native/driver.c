/* Feeds messages to the server's C functions, in a program that sanitizers can watch (tests/fuzz/test_sanitizers.py).
 *
 * Standard input: messages, each after its length in four bytes (little endian). Every message and every output lies in
 * a block of exactly its size, so that a byte too many is seen. Standard output: the rows that were read in all.
 * With an argument the program makes one deliberate mistake instead, which shows that the sanitizer is at work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.c"
#if __has_include("png.c")
#include "png.c"
#define HAS_PNG 1
#endif

enum { MOST = 64 };

static const int64_t NAME_ENDS[] = {3, 6};
static const Form FORMS[] = {
    {VECTORS, 1, 1, {1}, (const uint8_t *)"\"instances\"", 11, 0, 0},
    {VECTORS, 1, 30, {30}, (const uint8_t *)"\"instances\"", 11, 0, 0},
    {VECTORS, 3, 16, {4, 4, 1}, (const uint8_t *)"\"instances\"", 11, 0, 0},
    {NAMED_ROWS, 0, 2, {0}, (const uint8_t *)"\"instances\"", 11, (const uint8_t *)"\"x\"\"y\"", NAME_ENDS},
    {COLUMNS, 0, 2, {0}, (const uint8_t *)"\"inputs\"", 8, (const uint8_t *)"\"x\"\"y\"", NAME_ENDS},
};

static int64_t read_all(const uint8_t *text, int64_t length)
{
    int64_t total = 0;
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++)
        for (int64_t most = 1; most <= MOST; most *= 8) {
            float *out = malloc((size_t)(most * FORMS[i].size) * sizeof *out);
            int64_t rows = 0;
            ropewalk_read_numbers(&FORMS[i], text, &length, 1, out, most, most, &rows);
            total += rows;
            free(out);
        }
    for (int64_t at = 0; at < length; at++)
        if (text[at] == '[') {
            float *out = malloc(MOST * sizeof *out);
            int64_t end;
            total += ropewalk_read_list(text + at, length - at, out, MOST, &end) > 0;
            free(out);
        }
    return total;
}

#ifdef HAS_PNG
static void unfilter(const uint8_t *lines, int64_t length)
{
    for (int64_t stride = 1; stride < 20 && stride < length; stride += 3)
        for (int64_t channels = 1; channels <= 4 && channels <= stride; channels++) {
            int64_t height = length / (stride + 1);
            uint8_t *out = malloc((size_t)(height * stride));
            ropewalk_unfilter((void *)lines, height, stride, channels, out);
            free(out);
        }
}
#endif

static int mistake(const char *kind)
{
    if (!strcmp(kind, "address")) {
        volatile uint8_t *block = malloc(8);
        return block[atoi("8")];
    }
    volatile int32_t large = INT32_MAX;
    return large + atoi("1") > 0;
}

int main(int count, char **arguments)
{
    if (count > 1)
        return mistake(arguments[1]);
    int64_t total = 0;
    uint32_t length;
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        uint8_t *text = malloc(length ? length : 1);
        if (fread(text, 1, length, stdin) != length)
            return 2;
        total += read_all(text, length);
#ifdef HAS_PNG
        unfilter(text, length);
#endif
        free(text);
    }
    printf("%lld\n", (long long)total);
    return 0;
}
