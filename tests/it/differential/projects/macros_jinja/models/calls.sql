{{ rows([
    ('varargs', everything(1, 'b', z=26, y='x')),
    ('twice', twice(plus_one, 5)), ('early', [early(1), early(3)]), ('dispatched', greeting()), ('by_package', macros_jinja.plus_one(1)),
    ('local', builtins.var('own')), ('var', var('flat') + 1), ('var_default', var('unknown', 'fallback')), ('nested', var('nested')['list'][2]['three']), ('quoted', var('nested').text),
    ('env', env_var('DIFFERENTIAL_GREETING')), ('env_default', env_var('NO_SUCH_VARIABLE', 'unset')), ('json', tojson({'b': 1, 'a': [none, true]}, sort_keys=true)),
    ('from_json', fromjson('{"a": [1, 2.5]}')), ('yaml', toyaml({'a': [1]})), ('from_yaml', fromyaml('a: [x, 1]')), ('md5', local_md5('abc')),
    ('dates', modules.datetime.date(2024, 2, 29).strftime('%d.%m.%y')), ('delta', modules.datetime.datetime(2024, 1, 31) + modules.datetime.timedelta(days=1, hours=2)),
    ('parsed', modules.datetime.datetime.strptime('2024-03-01', '%Y-%m-%d').isoformat()), ('zone', modules.pytz.timezone('Europe/Berlin').localize(modules.datetime.datetime(2024, 7, 1)).isoformat()),
    ('re', modules.re.sub('[aeiou]', '_', 'vowels')), ('match', modules.re.match('(v)(o)', 'vowels').group(2)), ('no_match', modules.re.search('z', 'vowels')), ('findall', modules.re.findall('[a-z]o', 'foo bo')),
    ('chain', modules.itertools.chain([1], [2, 3]) | list), ('product', modules.itertools.product('ab', [1, 2]) | list), ('this', this.identifier), ('target', target.schema ~ target.type), ('model', model.name ~ model.resource_type),
    ('execute', execute), ('relation', api.Relation.create(schema='s', identifier='i')), ('column', api.Column.create('c', 'varchar(10)').data_type), ('quote', adapter.quote('x')),
    ('project', project_name), ('flags', [flags.FULL_REFRESH, flags.WHICH]), ('thread', thread_id is defined), ('started', run_started_at.year > 2020)
]) }}
union all
select 'called', '{% call(v) wrapped('in') %}{{ v }}y{% endcall %}'
{#- a comment -#}
union all select 'raw', '{% raw %}{{ not_rendered }}{% endraw %}'
{%- set block %} inner {{ 1 + 1 }} {% endset %}
union all select 'block', '{{ block }}'
union all select 'filtered', '{% filter upper %}shout{% endfilter %}'
{% for row in [[1, 2], [3, 4]] recursive %}
union all select 'loop', '{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.cycle('odd', 'even') }}{{ row[0] }}'
{% endfor %}
{%- for n in range(5) -%}
{%- if n == 1 %}{% continue %}{% endif -%}{%- if n == 3 %}{% break %}{% endif %}
union all select 'kept', '{{ n }}'
{%- endfor %}
