/* Requests of numbers, from JSON to float32 in one pass over their bytes.
 *
 * Only what is beyond doubt is read: one key, rows of exactly the declared form, finite numbers that float32 can hold.
 * For anything else (nulls, escapes, other keys, wrong shapes, errors) a body counts 0 rows, and the careful decoder in
 * Python finds the value or the words. No byte outside the given lengths is read, no value beyond the given capacity
 * is written, nothing is allocated, and no function of the C library is called.
 *
 * A number becomes the float32 that it is by way of the nearest double, as in Python: where the quick arithmetic is not
 * exact, its error is below 4 units in the last place of the double, and a double so close to where float32 would round
 * the other way is left to the careful decoder.
 */
#include <stdint.h>

enum { VECTORS, NAMED_ROWS, COLUMNS };
enum { MAX_RANK = 8, MAX_WIDTH = 4096, MAX_POWER = 60 };
enum { PATIENCE = 16384 }; /* bytes: ten microseconds */
enum { REFUSED = 0, TOO_MANY = -1 };

/* What rows look like; ropewalk_server/native/__init__.py has the same. */
typedef struct {
    int64_t kind, rank, size; /* size: numbers of a row */
    int64_t shape[MAX_RANK];  /* of a row, if they are vectors */
    const uint8_t *key;       /* with its quotes */
    int64_t key_length;
    const uint8_t *names;     /* with their quotes, one after the other */
    const int64_t *name_ends; /* `size` of them */
} Form;

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

static inline int take_list(Text *text, int64_t length, float **out)
{
    if (!take(text, '['))
        return 0;
    for (int64_t i = 0; i < length; i++)
        if ((i && !take(text, ',')) || !take_number(text, (*out)++))
            return 0;
    return take(text, ']');
}

static int take_vector(Text *text, const int64_t *shape, int64_t rank, float **out)
{
    if (rank == 1)
        return take_list(text, *shape, out);
    if (!take(text, '['))
        return 0;
    for (int64_t i = 0; i < *shape; i++)
        if ((i && !take(text, ',')) || !take_vector(text, shape + 1, rank - 1, out))
            return 0;
    return take(text, ']');
}

/* Which name comes next, those from `guess` on tried first; -1: none of them, or it took too long to find. */
static int64_t take_name(Text *text, const Form *form, int64_t guess)
{
    skip_space(text);
    for (int64_t n = 0; n < form->size && text->patience > 0; n++) {
        int64_t i = guess + n < form->size ? guess + n : guess + n - form->size;
        int64_t start = i ? form->name_ends[i - 1] : 0, length = form->name_ends[i] - start, same = 0;
        const uint8_t *name = form->names + start;
        while (same < length && text->at + same < text->end && text->at[same] == name[same])
            same++;
        if (same == length) {
            text->at += length;
            return take(text, ':') ? i : -1;
        }
        text->patience -= same + 1;
    }
    return -1;
}

/* The names in the order of the first row; every later row must have the same. */
static int take_named_row(Text *text, const Form *form, int16_t *order, int first, float *out)
{
    uint8_t seen[MAX_WIDTH];
    if (!take(text, '{'))
        return 0;
    for (int64_t i = 0; first && i < form->size; i++)
        seen[i] = 0;
    for (int64_t i = 0; i < form->size; i++) {
        if (i && !take(text, ','))
            return 0;
        int64_t name;
        if (first) {
            name = take_name(text, form, i ? (order[i - 1] + 1) % form->size : 0);
            if (name < 0 || seen[name]++)
                return 0;
            order[i] = (int16_t)name;
        } else {
            name = order[i];
            int64_t start = name ? form->name_ends[name - 1] : 0;
            if (!take_word(text, form->names + start, form->name_ends[name] - start) || !take(text, ':'))
                return 0;
        }
        if (!take_number(text, out + name))
            return 0;
    }
    return take(text, '}');
}

static int64_t take_rows(Text *text, const Form *form, float *out, int64_t most)
{
    int16_t order[MAX_WIDTH];
    int64_t rows = 0;
    if (!take(text, '['))
        return REFUSED;
    do {
        if (rows == most)
            return TOO_MANY;
        float *row = out + rows * form->size;
        if (form->kind == VECTORS ? !take_vector(text, form->shape, form->rank, &row)
                                  : !take_named_row(text, form, order, rows == 0, row))
            return REFUSED;
        rows++;
    } while (take(text, ','));
    return take(text, ']') ? rows : REFUSED;
}

static int64_t take_columns(Text *text, const Form *form, float *out, int64_t most)
{
    uint8_t seen[MAX_WIDTH] = {0};
    int64_t rows = 0, name = -1;
    if (!take(text, '{'))
        return REFUSED;
    for (int64_t i = 0; i < form->size; i++) {
        if (i && !take(text, ','))
            return REFUSED;
        int64_t found = 0;
        name = take_name(text, form, (name + 1) % form->size);
        if (name < 0 || seen[name]++ || !take(text, '['))
            return REFUSED;
        do {
            if (found == most)
                return TOO_MANY;
            if ((i && found == rows) || !take_number(text, out + found * form->size + name))
                return REFUSED;
            found++;
        } while (take(text, ','));
        if (!take(text, ']') || (i && found != rows))
            return REFUSED;
        rows = found;
    }
    return take(text, '}') ? rows : REFUSED;
}

/* Rows of one body, at most `most`. */
static int64_t read_body(const Form *form, const uint8_t *body, int64_t length, float *out, int64_t most)
{
    Text text = {body, body + length, PATIENCE + 8 * length}; /* names in any order, but not at any cost */
    if (!take(&text, '{') || !take_word(&text, form->key, form->key_length) || !take(&text, ':'))
        return REFUSED;
    int64_t rows = form->kind == COLUMNS ? take_columns(&text, form, out, most) : take_rows(&text, form, out, most);
    if (rows <= 0)
        return rows;
    if (!take(&text, '}'))
        return REFUSED;
    skip_space(&text);
    return text.at == text.end ? rows : REFUSED;
}

/* Read `count` bodies that stand in `text` one after the other, with `lengths`, until there is no room for the rows of
 * one: `out` has room for `most` rows, of which one body may have `most_each`. Into `rows` goes how many each has.
 * Returns how many bodies were looked at, at least one.
 */
__attribute__((visibility("default")))
int64_t ropewalk_read_numbers(const Form *form, const uint8_t *text, const int64_t *lengths, int64_t count, float *out,
                              int64_t most_each, int64_t most, int64_t *rows)
{
    int64_t taken = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t room = most - taken, found;
        found = read_body(form, text, lengths[i], out + taken * form->size, room < most_each ? room : most_each);
        if (found == TOO_MANY && room < most_each && taken)
            return i;
        rows[i] = found > 0 ? found : 0;
        taken += rows[i];
        text += lengths[i];
    }
    return count;
}
