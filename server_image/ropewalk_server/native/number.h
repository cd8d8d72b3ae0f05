/* One number in a text, to the nearest float32; numbers.c says when, and what becomes of all that is not beyond doubt. */
#include <stdint.h>

enum { MAX_POWER = 60 };

typedef struct {
    const uint8_t *at, *end;
    int64_t patience; /* bytes that may still be compared with names in vain */
} Text;

static const double POWERS[MAX_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
    1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47,
    1e48, 1e49, 1e50, 1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58, 1e59, 1e60,
};
static const double LARGEST = 3.4028234e38, SMALLEST = 1.2e-38; /* just within the normal float32 */
static const uint64_t ROOM = 1000000000000000000u;              /* below this, one digit more fits 64 bits */
static const int EXACT_POWER = 22;                              /* 10^22 is the last power that a double is exactly */

static inline int is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

static inline void skip_space(Text *text)
{
    while (text->at < text->end && *text->at <= ' ' &&
           (*text->at == ' ' || *text->at == '\n' || *text->at == '\r' || *text->at == '\t'))
        text->at++;
}

static inline int take(Text *text, uint8_t wanted)
{
    if (text->at < text->end && *text->at == wanted) {
        text->at++;
        return 1;
    }
    skip_space(text);
    if (text->at == text->end || *text->at != wanted)
        return 0;
    text->at++;
    return 1;
}

static inline int take_word(Text *text, const uint8_t *word, int64_t length)
{
    skip_space(text);
    if (text->end - text->at < length)
        return 0;
    for (int64_t i = 0; i < length; i++)
        if (text->at[i] != word[i])
            return 0;
    text->at += length;
    return 1;
}

/* 1 if `value`, which is off by less than 4 units in its last place, is the same float32 as the exact one. */
static inline int rounds_the_same(double value)
{
    union {
        double value;
        uint64_t bits;
    } both = {value};
    int64_t from_middle = (int64_t)(both.bits & 0x1fffffff) - 0x10000000;
    return from_middle > 8 || from_middle < -8;
}

static inline int take_number(Text *text, float *out)
{
    skip_space(text);
    const uint8_t *at = text->at, *end = text->end;
    if (at == end)
        return 0;
    int negative = *at == '-', whole = 1; /* no branch: signs cannot be foretold */
    at += negative;
    const uint8_t *first = at;
    uint64_t digits = 0;
    int64_t power = 0;
    for (; at < end && is_digit(*at); at++) {
        if (digits < ROOM)
            digits = digits * 10 + (*at - '0');
        else
            power++;
    }
    if (at == first || (at - first > 1 && *first == '0'))
        return 0;
    if (at < end && *at == '.') {
        at++;
        whole = 0;
        if (at == end || !is_digit(*at))
            return 0;
        for (; at < end && is_digit(*at); at++) {
            if (digits < ROOM) {
                digits = digits * 10 + (*at - '0');
                power--;
            }
        }
    }
    if (at < end && (*at | 32) == 'e') {
        at++;
        whole = 0;
        int minus = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        if (at == end || !is_digit(*at))
            return 0;
        int64_t exponent = 0;
        for (; at < end && is_digit(*at); at++)
            if (exponent < 10000)
                exponent = exponent * 10 + (*at - '0');
        power += minus ? -exponent : exponent;
    }
    text->at = at;
    if (!digits) { /* -0 is an integer, which has no sign */
        *out = negative && !whole ? -0.0f : 0.0f;
        return 1;
    }
    if (power > MAX_POWER || power < -MAX_POWER)
        return 0;
    double value = (double)digits;
    value = power < 0 ? value / POWERS[-power] : value * POWERS[power];
    if (value > LARGEST || value < SMALLEST)
        return 0;
    int exact = digits <= (1ull << 53) && power <= EXACT_POWER && power >= -EXACT_POWER;
    if (!exact && !rounds_the_same(value))
        return 0;
    union {
        float value;
        uint32_t bits;
    } narrow = {(float)value};
    narrow.bits |= (uint32_t)negative << 31;
    *out = narrow.value;
    return 1;
}
