{% set l = [3, 1] %}
{% do l.append(2) %}{% do l.extend([9, 9]) %}{% do l.insert(0, 'first') %}{% do l.remove(9) %}
{% set popped = l.pop() %}
{% set d = {'a': 1} %}
{% do d.update({'b': [1, 2]}) %}{% do d['b'].append(3) %}{% set _ = d.setdefault('c', none) %}
{% set copied = d.copy() %}{% do copied.pop('a') %}
{{ rows([
    ('list', l), ('popped', popped), ('dict', d), ('copied', copied), ('keys', d.keys() | list), ('items', d.items() | list),
    ('get', d.get('z', 'default')), ('index', l.index(1)), ('count', [1, 1, 2].count(1)), ('slice', l[1:3]), ('reversed', l[::-1]),
    ('negative', l[-1]), ('tuple', (1, 'two')), ('one', (1,)), ('sum', [1, 2.5] | sum), ('nested', [[1], {'x': (1, 2)}]),
    ('plus', [1] + [2]), ('times', [0] * 3), ('in', 3 in l), ('squares', squares(4)), ('empty', [] or 'nothing'), ('none', none),
    ('bools', [true, false]), ('set', set([1, 2, 2]) | length), ('zip', zip([1, 2], ['a', 'b']) | list), ('sorted', ['b', 'A', 'c'] | sort),
    ('unique', [1, 2, 1] | unique | list), ('mapped', [{'n': 1}, {'n': 2}] | map(attribute='n') | list),
    ('selected', [1, 2, 3, 4] | select('even') | list), ('rejected', [{'n': 1}, {'n': 2}] | rejectattr('n', 'equalto', 1) | list),
    ('batched', [1, 2, 3] | batch(2) | list), ('grouped', [{'k': 1, 'v': 2}] | groupby('k') | length), ('range', range(0, 10, 3) | list)
]) }}
