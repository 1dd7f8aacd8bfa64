"""A walk over one document whose tokens are known: characters, words, numbers, dates, changes of script.

Reference twin: bpetk/reference/survey.py.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from bpetk._native cimport utf8_decode


cdef void end_word(Walk* w) noexcept nogil:
    w.in_word = False
    w.count[WORDS] += 1
    w.count[WORD_TOKENS] += w.word_last - w.word_first + 1
    w.count[WORDS_CONTINUED] += w.word_last > w.word_first


cdef bint is_date(const Walk* w) noexcept nogil:
    cdef const Number* a = &w.numbers[2]
    cdef const Number* b = &w.numbers[1]
    cdef const Number* c = &w.numbers[0]
    if not b.before or not c.before or b.digits > 2:
        return False
    if a.digits == 4 and c.digits <= 2 and b.before == 0x5E74 and c.before == 0x6708:
        return True
    if b.before != c.before or not (b.before == c"-" or b.before == c"/" or b.before == c"."):
        return False
    return (a.digits == 4 and c.digits <= 2) or (a.digits <= 2 and c.digits == 4)


# The number ends before a code point (0: the text ends), which `last_token` is the last token of, at place `at`.
cdef void end_number(Walk* w, Py_ssize_t at, int64_t at_char, uint32_t next_char, int64_t last_token) noexcept nogil:
    cdef Number* number = &w.numbers[0]
    cdef int k = min(number.digits, N_LENGTHS) - 1
    cdef Py_ssize_t p
    cdef int64_t last
    w.in_number = False
    w.count[NUMBERS + k] += 1
    w.count[NUMBER_TOKENS + k] += number.last - number.first + 1
    if w.plain and number.digits >= 4:
        w.count[LONG_NUMBERS] += 1
        for p in range(w.number_start + 1, at):
            if w.mark[p] and (at - p) % 3:
                break
        else:
            w.count[LONG_NUMBERS_ALIGNED] += 1
    w.number_end, w.number_end_char = at, at_char
    if is_date(w):
        last = number.last
        if number.before == 0x6708 and (next_char == 0x65E5 or next_char == 0x53F7):
            last, at_char = last_token, at_char + 1
        w.count[DATES] += 1
        w.count[DATE_TOKENS] += last - w.numbers[2].first + 1
        w.count[DATE_CHARACTERS] += at_char - w.numbers[2].start_char
        w.number_end = -1


cdef void begin_number(
    Walk* w, Py_ssize_t at, int64_t at_char, int64_t first, Py_ssize_t before_at, uint32_t before
) noexcept nogil:
    w.in_number, w.plain, w.number_start = True, True, at
    w.numbers[2], w.numbers[1] = w.numbers[1], w.numbers[0]
    w.numbers[0].digits, w.numbers[0].first, w.numbers[0].start_char = 0, first, at_char
    w.numbers[0].before = before if w.number_end > 0 and before_at == w.number_end else 0


# A straight or a curly apostrophe between two Latin letters belongs to a word; `rest` are the bytes behind it.
cdef bint joins_word(
    uint32_t char, const uint8_t* rest, Py_ssize_t left, const uint8_t* classes
) noexcept nogil:
    cdef uint32_t next_char
    if (char != 0x27 and char != 0x2019) or left <= 0:
        return False
    return utf8_decode(rest, left, &next_char) > 0 and classes[next_char] == LATIN


cdef void walk_text(Walk* w, const uint8_t* classes) noexcept nogil:
    # Copies that no write to a counter can change, so that they stay in registers.
    cdef const uint8_t* text = w.text
    cdef const uint8_t* mark = w.mark
    cdef Py_ssize_t size = w.size, i = 0, at_before = 0
    cdef int64_t characters_of[N_CLASSES]
    cdef int64_t tokens_of[N_CLASSES]
    cdef int64_t seen[N_CLASSES]        # last token that touches the class
    cdef uint32_t char = 0, before = 0
    cdef int64_t chars = 0, first, token = -1, blanks
    cdef unsigned length, j
    cdef int k, kind = SYMBOLS, one_back = -1, two_back = -1
    cdef bint begins, blank_begins = False
    for k in range(N_CLASSES):
        characters_of[k] = tokens_of[k] = 0
        seen[k] = -1
    while i < size:
        begins = mark[i]
        token += begins
        first = token
        if text[i] < 0x80:
            char, length = text[i], 1
        else:
            length = utf8_decode(text + i, size - i, &char)
            if length == 0:     # what an unknown token or a stray byte spells
                char, length = 0xFFFD, 1
            for j in range(1, length):
                token += mark[i + j]
        kind = classes[char]
        if kind == INHERITED:
            kind = one_back if one_back >= 0 else SYMBOLS
        characters_of[kind] += 1
        tokens_of[kind] += token - max(first - 1, seen[kind])
        seen[kind] = token
        if token != first:
            w.count[BROKEN] += 1
            w.count[BORDERS_INSIDE] += token - first
        if kind == HAN:
            if token != first:
                w.count[HAN_BROKEN] += 1
            elif begins and mark[i + length]:
                w.count[HAN_ALONE] += 1
            else:
                w.count[HAN_INSIDE] += 1
        if w.in_number and kind != DIGITS:
            end_number(w, i, chars, char, token)
        if kind == LATIN or (w.in_word and joins_word(char, text + i + length, size - i - length, classes)):
            if not w.in_word:
                w.in_word, w.word_first = True, first
            w.word_last = token
        elif w.in_word:
            end_word(w)
        if kind == DIGITS:
            if not w.in_number:
                begin_number(w, i, chars, first, at_before, before)
            w.numbers[0].digits += 1
            w.numbers[0].last = token
            w.plain &= length == 1
        if kind <= LATIN:
            if one_back == 1 - kind:
                w.count[SWITCHES] += 1
                w.count[SWITCHES_JOINED] += not begins
            elif one_back == SPACE and two_back == 1 - kind and before == c" ":
                w.count[SPACED_SWITCHES] += 1
                w.count[SPACED_SWITCHES_BLANK_ALONE] += begins and blank_begins
        blank_begins, two_back, one_back, before, at_before = begins, one_back, kind, char, i
        i += length
        chars += 1
        if kind != LATIN or length != 1:
            continue
        # The usual way on: letters, and a blank that begins a token with the word behind it. 30 MB of English take
        # half of the time.
        at_before = i
        blanks = 0
        while text[i] < 0x80:
            if classes[text[i]] == LATIN:
                token += mark[i]
                tokens_of[LATIN] += mark[i]
                i += 1
            elif (
                text[i] == c" " and mark[i] and not mark[i + 1] and text[i + 1] < 0x80
                and classes[text[i + 1]] == LATIN
            ):
                w.word_last = token
                end_word(w)
                token += 1
                tokens_of[LATIN] += 1
                tokens_of[SPACE] += 1
                seen[SPACE] = token
                w.in_word, w.word_first = True, token
                blanks += 1
                i += 2
            else:
                break
        characters_of[LATIN] += i - at_before - blanks
        characters_of[SPACE] += blanks
        chars += i - at_before
        seen[LATIN] = w.word_last = token
        # INVARIANT: the last character is a letter, so that what stood before it is not asked for any more.
        before, at_before = text[i - 1], i - 1
    w.count[CHARACTERS] += chars
    for k in range(N_CLASSES):
        w.count[CLASS_CHARACTERS + k] += characters_of[k]
        w.count[CLASS_TOKENS + k] += tokens_of[k]
    if w.in_word:
        end_word(w)
    if w.in_number:
        end_number(w, i, chars, 0, token)


cdef void count_classes(const uint8_t* s, Py_ssize_t n, const uint8_t* classes, int64_t* count) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef uint32_t char = 0
    cdef unsigned length
    cdef int kind = SYMBOLS, found
    while i < n:
        length = utf8_decode(s + i, n - i, &char)
        if length == 0:
            char, length = 0xFFFD, 1
        found = classes[char]
        if found != INHERITED:
            kind = found
        count[CLASS_CHARACTERS + kind] += 1
        count[TEXT_CHARACTERS] += 1
        i += length


# The rule of bpetk/analysis/languages.py.
cdef int language_of(const int64_t* chars, const int64_t* percent) noexcept nogil:
    cdef int64_t letters = 0, han = chars[HAN], latin = chars[LATIN]
    cdef int64_t marks = chars[DIGITS] + chars[PUNCTUATION] + chars[SYMBOLS]
    cdef int k
    for k in range(DIGITS):
        letters += chars[k]
    if letters == 0 or (letters - han - latin) * 100 > percent[0] * letters:
        return 3
    if marks * 100 > percent[1] * (letters + marks):
        return 3
    if han * 100 >= percent[2] * letters:
        return 0
    if han * 100 > percent[3] * letters:
        return 2
    return 3 if marks * 100 > percent[4] * (letters + marks) else 1
