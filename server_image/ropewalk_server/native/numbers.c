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
#include "number.h"

enum { VECTORS, NAMED_ROWS, COLUMNS };
enum { MAX_RANK = 8, MAX_WIDTH = 4096 };
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

/* Read the list of numbers with which `text` begins, into `out` with room for `most`. Returns how many there are, and
 * into `end` goes how many bytes they took.
 */
__attribute__((visibility("default")))
int64_t ropewalk_read_list(const uint8_t *text, int64_t length, float *out, int64_t most, int64_t *end)
{
    Text left = {text, text + length, 0};
    int64_t found = 0;
    if (!take(&left, '['))
        return REFUSED;
    do {
        if (found == most || !take_number(&left, out + found++))
            return REFUSED;
    } while (take(&left, ','));
    if (!take(&left, ']'))
        return REFUSED;
    *end = left.at - text;
    return found;
}
