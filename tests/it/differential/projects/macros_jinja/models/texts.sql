{% set t = ' Some text, äöü ' %}
{{ rows([
    ('strip', t.strip() ~ '|'), ('upper', t.upper()), ('title', t.title()), ('split', t.strip().split(', ')), ('split_any', 'a  b'.split()),
    ('starts', t.startswith(' S')), ('replace', t.replace('t', 'T')), ('join', ', '.join(['a', 'b'])), ('find', t.find('text')),
    ('format', '{} and {x:>5}'.format(1, x='r')), ('percent', '%s is %d or %.2f' % ('n', 3, 1.5)), ('percent_filter', '%05d' | format(42)),
    ('zfill', '7'.zfill(3)), ('ljust', 'ab'.ljust(4, '.')), ('isdigit', '12'.isdigit()), ('slice', 'abcdef'[1:-1:2]), ('times', 'ab' * 2),
    ('concat', 'a' ~ 1 ~ none), ('repr', ['it\'s', "q\"q"]), ('splitlines', 'a\nb'.splitlines()), ('partition', 'a=b=c'.partition('=')),
    ('rsplit', 'a.b.c'.rsplit('.', 1)), ('division', 7 / 2), ('floor', 7 // 2), ('negative_floor', -7 // 2), ('modulo', -7 % 3), ('power', 2 ** 10),
    ('float', 1.0), ('big', 12345678901234567890), ('exponent', 1e20), ('round', 2.5 | round), ('rounded', 2.675 | round(2)), ('int', '12' | int),
    ('indent', 'a\nb' | indent(2)), ('trim', t | trim), ('capitalize', 'hELLO' | capitalize), ('wordcount', t | wordcount), ('default', undefined_thing | default('d')),
    ('as_number', '3' | int + 1), ('first', 'abc' | first), ('last', [1, 2] | last), ('length', 'äö' | length), ('truncate', 'some long words' | truncate(10)),
    ('compare', 1 < 2 < 3), ('ternary', 'y' if 0 else 'n'), ('is', [1 is odd, none is none, 'a' is string, [] is iterable, {} is mapping])
]) }}
