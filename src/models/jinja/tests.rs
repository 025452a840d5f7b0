//! Templates beside what Jinja2, as dbt sets it up, makes of them.

mod oracle;

use super::*;

fn engine() -> Engine {
    Engine::new(DateTime::UNIX_EPOCH)
}

/// Globals that find macros as dbt's context does.
#[derive(Debug)]
struct Names(Arc<Engine>);

impl minijinja::value::Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if key.as_str() == Some("modules") {
            return Some(self.0.modules());
        }
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
        (
            "{{ none | map('lower') | list }} {{ 3 in none | map('lower') or 'a' }} {{ none | select | list }}",
            "[] a []",
        ),
        ("{{ [1, 2] | map('string') | list }}", "['1', '2']"),
    ] {
        match with_macros(macros, template) {
            Ok(rendered) => assert_eq!(rendered, expected, "{template}"),
            Err(error) => panic!("{template}: {error}"),
        }
    }
}

#[test]
fn a_row_of_thousands_of_branches_is_read() {
    let branches = (0..4_000).map(|i| format!("{{%- elif i == {i} -%}}\n b{i}\n")).collect::<String>();
    let text = format!("[{{% if i < 0 %}} below {branches}{{%- else -%}} above {{%- endif %}}]");
    let each = format!("{{% for i in [-1, 0, 49, 50, 51, 3_999, 4_000, 0] %}}{text}{{% endfor %}}");
    let rendered = with_macros("", &each).expect("Jinja2 reads it");
    assert_eq!(rendered, "[ below][b0][b49][b50][b51][b3999][above][b0]");
}

#[test]
fn long_lists_dictionaries_and_sums_are_read() {
    let numbers = (0..5_000).map(|i| i.to_string()).collect::<Vec<_>>();
    let pairs = numbers.iter().map(|i| format!("'k{i}': {i}")).collect::<Vec<_>>();
    let (list, dict, sum) = (numbers.join(", "), pairs.join(", "), numbers.join(" + "));
    let text = format!("{{{{ [{list}] | sum }}}} {{{{ {{{dict}}}.k4999 }}}} {{{{ {sum} - 1 }}}}");
    assert_eq!(with_macros("", &text).expect("Jinja2 reads it"), "12497500 4999 12497499");
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
