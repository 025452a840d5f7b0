//! Templates beside what Jinja2, as dbt sets it up, makes of them.

use super::*;
use minijinja::context;

/// Templates and results: what dbt-core 1.10's own environment gave for them.
const CASES: &[(&str, &str)] = &[
    ("{% set x = [] %}{% do x.append(1) %}{% do x.extend([2, 3]) %}{{ x }}", "[1, 2, 3]"),
    ("{% set x = [3, 1, 2] %}{% do x.sort() %}{{ x }}{{ x.pop() }}{{ x | length }}", "[1, 2, 3]32"),
    ("{% set d = {'a': 1} %}{% do d.update({'b': [1]}) %}{{ d }} {{ d.a }} {{ d['b'][0] }}", "{'a': 1, 'b': [1]} 1 1"),
    ("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;"),
    ("{{ 'a' ~ 1 ~ none ~ true }}", "a1NoneTrue"),
    ("{{ [1, 'a', none, true, 1.5] }}", "[1, 'a', None, True, 1.5]"),
    ("{{ ('a',) }} {{ (1, 2) }}", "('a',) (1, 2)"),
    ("{{ '%s and %d' % ('a', 2) }}", "a and 2"),
    ("{{ '%s' % 'x' }} {{ 7 % 3 }} {{ -7 % 3 }}", "x 1 2"),
    ("{{ [1] + [2] }} {{ 'a' + 'b' }} {{ 1 + 2 }}", "[1, 2] ab 3"),
    ("{% set x = [1] + [2] %}{% do x.append(3) %}{{ x }}", "[1, 2, 3]"),
    ("{{ x.y.z }}|{{ x }}", "|"),
    ("{{ 'a,b'.split(',') }} {{ 'a b'.title() }} {{ 'abc'[1] }} {{ 'abc'[1:] }}", "['a', 'b'] A B b bc"),
    ("{{ [1, 2, 3][1:] }} {{ [1, 2, 3][-1] }}", "[2, 3] 3"),
    ("{{ 'x' if [] else 'y' }} {{ 'n' if 1 > 2 }}", "y "),
    ("{% set ns = namespace(x=0) %}{% for i in range(3) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "3"),
    ("{% for x in [1, 2, 3] if x > 1 %}{{ loop.index }}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "12,23"),
    ("{% if 'a' in ['a'] and 'z' not in {'a': 1} %}yes{% endif %}", "yes"),
    ("{{ {'a': 1} == {'a': 1} }} {{ [1] == [1] }} {{ [1] == [2] }}", "True True False"),
    ("{{ ['b', 'a'] | sort | join(',') }} {{ [1, 1, 2] | unique | list }}", "a,b [1, 2]"),
    ("{{ [{'n': 'x'}, {'n': 'y'}] | map(attribute='n') | list }}", "['x', 'y']"),
    ("{{ [1, 2] is iterable }} {{ {} is mapping }} {{ [] is mapping }} {{ 'a' is string }}", "True True False True"),
    ("{{ x is defined }} {{ none is none }} {{ 1 is not none }}", "False True True"),
    ("{%- set a = 1 -%}\n  x  \n{%- if true %} y {% endif -%}\n z", "x y z"),
    ("{{ 'a{}b{x}'.format(1, x=2) }} {{ '{:>4}'.format('a') }} {{ '{:,.2f}'.format(1234.5) }}", "a1b2    a 1,234.50"),
    ("{{ modules.datetime.datetime(2020, 1, 31) + modules.datetime.timedelta(days=1) }}", "2020-02-01 00:00:00"),
    ("{{ (modules.datetime.date(2020, 3, 1) - modules.datetime.date(2020, 2, 1)).days }}", "29"),
    ("{{ modules.datetime.datetime.strptime('2020-02-03', '%Y-%m-%d').strftime('%d.%m.%y') }}", "03.02.20"),
    ("{{ modules.re.match('a(b+)', 'abbc').group(1) }} {{ modules.re.sub('b+', 'x', 'abbc') }}", "bb axc"),
    ("{{ modules.re.findall('[a-z]', 'a1b') }} {{ modules.re.match('b', 'ab') }}", "['a', 'b'] None"),
    ("{{ modules.itertools.product([1, 2], 'a') | list }}", "[(1, 'a'), (2, 'a')]"),
    ("{{ 'it''s' }} {{ \"a\" \"b\" }} {{ '\\n' | length }}", "its ab 1"),
    ("{{ 1 / 2 }} {{ 7 // 2 }} {{ 2 ** 3 }} {{ 1.0 }} {{ 10 / 5 }}", "0.5 3 8 1.0 2.0"),
    ("{% set x %}a{{ 1 }}{% endset %}[{{ x }}]", "[a1]"),
    (
        "{{ 'abc' | replace('b', 'x') | upper }} {{ ' a ' | trim }} {{ 'a' | default('b') }} {{ x | default('b') }}",
        "AXC a a b",
    ),
    ("{{ {'b': 1, 'a': [none]} | tojson }}", "{\"b\": 1, \"a\": [null]}"),
    ("{% set s = 'a' %}{{ s * 3 }} {{ [0] * 2 }}", "aaa [0, 0]"),
    ("{% raw %}{{ x }}{% endraw %}{# c #}", "{{ x }}"),
    ("{{ dict(a=1).keys() | list }}", "['a']"),
    ("{{ [[1, 2], [3]] | sum(start=[]) }}", "[1, 2, 3]"),
    ("{{ [1, 2, 3] | sum }} {{ [3, 1] | min }} {{ ['a', 'b'] | last }}", "6 1 b"),
    ("{% set t = (1, 2) %}{% set a, b = t %}{{ b }}{{ a }}", "21"),
    ("{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }};{% endfor %}", "12;34;"),
    ("{{ 'a' is in ['a'] }} {{ 3 is divisibleby 3 }} {{ 4 is even }}", "True True True"),
    ("{{ none or 'x' }} {{ [] or {} }} {{ 0 and 1 }}", "x {} 0"),
    ("{{ 1 if true else 2 if false else 3 }}", "1"),
    (
        "{{ 'Ab'.lower().startswith(('a', 'x')) }} {{ 'a-b'.replace('-', '_') }} {{ 'x'.join(['a', 'b']) }}",
        "True a_b axb",
    ),
    ("{{ '7'.zfill(3) }} {{ 'a'.ljust(3) }}| {{ 'a.b.c'.rsplit('.', 1) }}", "007 a  | ['a.b', 'c']"),
];

fn engine() -> Engine {
    Engine::new(DateTime::UNIX_EPOCH)
}

#[test]
fn templates_give_what_dbts_own_environment_gives() {
    let engine = engine();
    let globals = context! { modules => engine.modules() };
    for (template, expected) in CASES {
        match engine.render("case", template, globals.clone()) {
            Ok(rendered) => assert_eq!(rendered, *expected, "{template}"),
            Err(error) => panic!("{template}: {error}"),
        }
    }
}

/// Globals that find macros as dbt's context does.
#[derive(Debug)]
struct Names(Arc<Engine>);

impl minijinja::value::Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let definition = self.0.definition("p", key.as_str()?)?;
        Some(self.0.macro_value(definition, Value::from_dyn_object(self.clone())))
    }
}

fn with_macros(macros: &str, template: &str) -> Result<String, JinjaError> {
    let mut engine = engine();
    engine.add("p", "macros/m.sql", macros)?;
    let engine = Arc::new(engine);
    let template = template.to_owned();
    // As large as that of every thread of the program.
    let thread = std::thread::Builder::new()
        .stack_size(16 << 20)
        .spawn(move || engine.render("model.sql", &template, Value::from_object(Names(engine.clone()))));
    thread.expect("a thread is made").join().expect("it does not panic")
}

#[test]
fn macros_are_called_as_in_python() {
    let macros = "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}\n\
        {% macro g() %}{{ return([1, varargs | length, kwargs]) }}{% endmacro %}\n\
        {% macro h(x) %}{% for i in range(5) %}{% if i == x %}{{ return({'i': i}) }}{% endif %}{% endfor %}none{% endmacro %}\n\
        {% macro k() %}<{{ caller('y') }}>{% endmacro %}\n\
        {% macro n() %}{{ return(none) }}{% endmacro %}\n\
        {% macro deep(i) %}{% if i == 0 %}{{ return('end') }}{% endif %}{{ return(deep(i - 1)) }}{% endmacro %}";
    for (template, expected) in [
        ("{{ f(1) }} {{ f(1, c=3) }} {{ f(b=5, a=4) }}", "121 123 454"),
        ("{{ g(1, 2, k='v') }}", "[1, 2, {'k': 'v'}]"),
        ("{{ h(3).i }} {{ h(9) }}", "3 none"),
        ("{% call(v) k() %}x{{ v }}{% endcall %}", "<xy>"),
        ("{{ n() is none }} {{ 'x' if n() else 'y' }}", "True y"),
        ("{% set l = g() %}{% do l.append('z') %}{{ l[-1] }}", "z"),
        ("{{ deep(40) }}", "end"),
        ("{{ [1, 2] | map('string') | list }}", "['1', '2']"),
    ] {
        match with_macros(macros, template) {
            Ok(rendered) => assert_eq!(rendered, expected, "{template}"),
            Err(error) => panic!("{template}: {error}"),
        }
    }
}

#[test]
fn wrong_calls_are_named() {
    let open = "{% macro f(a) %}\n{{ a.b() }}\n{{ [1 }}{% endmacro %}";
    let error = with_macros(open, "{{ f(1) }}").expect_err("the list is open");
    assert!(error.to_string().contains("macros/m.sql:3"), "{error}");
    let macros = "\n\n{% macro g(a) %}\n\n{{ a.b() }}{% endmacro %}{% macro loop_() %}{{ loop_() }}{% endmacro %}";
    let error = with_macros(macros, "a\n{{ g(1) }}").expect_err("a number has no b");
    assert_eq!((error.file.as_str(), error.line), ("macros/m.sql", Some(5)), "{error}");
    let error = with_macros(macros, "\n{{ g(1, 2) }}").expect_err("one too many");
    assert_eq!((error.line, error.message.as_str()), (Some(2), "macro 'g' takes not more than 1 argument"));
    let error = with_macros(macros, "{{ g(x=2) }}").expect_err("no such argument");
    assert!(error.message.contains("takes no keyword argument 'x'"), "{error}");
    let error = with_macros(macros, "{{ nope(1) }}").expect_err("no such macro");
    assert!(error.message.contains("nope"), "{error}");
    let error = with_macros(macros, "{{ loop_() }}").expect_err("it never ends");
    assert!(error.message.contains("macros have called each other"), "{error}");
}
