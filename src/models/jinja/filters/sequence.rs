//! Filters over items: `map`, `select`, `join`, `sum`, `batch`, `slice` and their kin.

use super::{
    super::{list, operators, printed, tuple, values::pairs_of},
    Arguments, add, attribute, items, subject, wrong,
};
use minijinja::{
    Environment, Error, State,
    value::{Value, ValueKind},
};

/// Adds the filters.
pub(super) fn add_to(env: &mut Environment<'static>) {
    add(env, "map", map);
    add(env, "select", |state, given| chosen(state, given, None, true));
    add(env, "reject", |state, given| chosen(state, given, None, false));
    add(env, "selectattr", |state, given| chosen(state, given, Some(given.require(1, "attribute")?), true));
    add(env, "rejectattr", |state, given| chosen(state, given, Some(given.require(1, "attribute")?), false));
    add(env, "join", |_, given| join(given));
    add(env, "sum", |_, given| sum(given));
    add(env, "batch", |_, given| batch(given));
    add(env, "slice", |_, given| slice(given));
    add(env, "first", |_, given| Ok(items(&subject(given))?.into_iter().next().unwrap_or(Value::UNDEFINED)));
    add(env, "last", |_, given| Ok(items(&subject(given))?.pop().unwrap_or(Value::UNDEFINED)));
    for name in ["length", "count"] {
        add(env, name, |_, given| length(&subject(given)));
    }
    // A template must give the same whenever it is rendered: the choice is always the first.
    add(env, "random", |_, given| Ok(items(&subject(given))?.into_iter().next().unwrap_or(Value::UNDEFINED)));
    add(env, "reverse", |_, given| reverse(&subject(given)));
    add(env, "items", |_, given| match subject(given) {
        value if value.is_undefined() => Ok(list(Vec::new())),
        value => Ok(list(pairs_of(&value)?.into_iter().map(|(key, value)| tuple(vec![key, value])).collect())),
    });
}

/// What a filter or test that is named in the arguments is called with: an item, then the arguments after the name.
fn passed(given: &Arguments, place: usize) -> Vec<Value> {
    let mut more = given.positional().get(place..).unwrap_or_default().to_vec();
    if !given.named().is_empty() {
        let named = given.named().iter().map(|(name, value)| (name.as_str(), value.clone()));
        more.push(minijinja::value::Kwargs::from_iter(named).into());
    }
    more
}

/// Items for the filters that hold what is not true for empty: none, too.
fn items_if_true(value: &Value) -> Result<Vec<Value>, Error> {
    if value.is_true() { items(value) } else { Ok(Vec::new()) }
}

fn map(state: &mut State<'_, '_>, given: &Arguments) -> Result<Value, Error> {
    let all = items_if_true(&subject(given))?;
    if let Some(path) = given.get(usize::MAX, "attribute") {
        let default = given.get(usize::MAX, "default");
        return Ok(list(all.iter().map(|item| attribute(item, Some(path), default)).collect()));
    }
    let name = given.text(1, "filter")?;
    let more = passed(given, 2);
    let mut found = Vec::with_capacity(all.len());
    for item in all {
        let values: Vec<Value> = std::iter::once(item).chain(more.iter().cloned()).collect();
        found.push(state.apply_filter(&name, &values).map_err(|error| unknown(error, "filter", &name))?);
    }
    Ok(list(found))
}

fn unknown(error: Error, kind: &str, name: &str) -> Error {
    match error.kind() {
        minijinja::ErrorKind::UnknownFilter | minijinja::ErrorKind::UnknownTest if error.detail().is_none() => {
            wrong(format!("there is no {kind} '{name}'"))
        }
        _ => error,
    }
}

/// Items of which a test is, or is not, true; without a test those that are true, or not.
fn chosen(state: &mut State<'_, '_>, given: &Arguments, path: Option<&Value>, is: bool) -> Result<Value, Error> {
    let place = if path.is_some() { 2 } else { 1 };
    let test = given.positional().get(place).map(ToString::to_string);
    let more = passed(given, place + 1);
    let mut found = Vec::new();
    for item in items_if_true(&subject(given))? {
        let tested = attribute(&item, path, None);
        let fits = match &test {
            None => tested.is_true(),
            Some(name) => {
                let values: Vec<Value> = std::iter::once(tested).chain(more.iter().cloned()).collect();
                state.perform_test(name, &values).map_err(|error| unknown(error, "test", name))?
            }
        };
        if fits == is {
            found.push(item);
        }
    }
    Ok(list(found))
}

fn length(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(0.into()),
        _ => value.len().map(Value::from).ok_or_else(|| wrong(format!("a {} has no length", value.kind()))),
    }
}

/// Text between items, which may be those of an attribute.
fn join(given: &Arguments) -> Result<Value, Error> {
    let separator = given.get(1, "d").map(printed).unwrap_or_default();
    let path = given.get(2, "attribute");
    let texts: Vec<String> = items(&subject(given))?.iter().map(|item| printed(&attribute(item, path, None))).collect();
    Ok(texts.join(&separator).into())
}

fn sum(given: &Arguments) -> Result<Value, Error> {
    let path = given.get(1, "attribute");
    let mut sum = given.get(2, "start").cloned().unwrap_or_else(|| 0.into());
    for item in items(&subject(given))? {
        sum = operators::add(&sum, &attribute(&item, path, None))?;
    }
    Ok(sum)
}

/// A number of items or columns, which must be at least one.
fn count(given: &Arguments, name: &str) -> Result<usize, Error> {
    let many = given.require(1, name)?.as_usize().filter(|many| *many > 0);
    many.ok_or_else(|| wrong(format!("'{name}' must be a number greater than zero")))
}

/// What a column or row may be filled up to.
const FILLED_MAX: usize = 1_000_000;

fn batch(given: &Arguments) -> Result<Value, Error> {
    let many = count(given, "linecount")?;
    let all = items(&subject(given))?;
    let rows = all.chunks(many).map(|row| {
        let mut row = row.to_vec();
        if let Some(filler) = given.get(2, "fill_with") {
            row.resize(many.min(FILLED_MAX), filler.clone());
        }
        list(row)
    });
    Ok(list(rows.collect()))
}

fn slice(given: &Arguments) -> Result<Value, Error> {
    let many = count(given, "slices")?.min(FILLED_MAX);
    let all = items(&subject(given))?;
    let (each, longer) = (all.len() / many, all.len() % many);
    let mut rest = all.as_slice();
    let columns = (0..many).map(|at| {
        let (column, after) = rest.split_at(each + usize::from(at < longer));
        rest = after;
        let mut column = column.to_vec();
        column.extend(given.get(2, "fill_with").filter(|_| longer > 0 && at >= longer).cloned());
        list(column)
    });
    Ok(list(columns.collect()))
}

fn reverse(value: &Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String {
        return Ok(value.to_string().chars().rev().collect::<String>().into());
    }
    let mut all = items(value)?;
    all.reverse();
    Ok(list(all))
}
