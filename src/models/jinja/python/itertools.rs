//! Python's `itertools`, as far as it ends.

use super::super::{Arguments, list, operators, tuple};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::sync::Arc;

/// Items that one function may give; what never ends in Python ends here.
const ITEMS_MAX: usize = 1_000_000;

#[derive(Debug)]
struct Itertools;

/// `modules.itertools`.
pub(super) fn module() -> Value {
    Value::from_object(Itertools)
}

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn lists(arguments: &Arguments) -> Result<Vec<Vec<Value>>, Error> {
    arguments.positional().iter().map(|given| Ok(given.try_iter()?.collect())).collect()
}

/// Every choice of one item from each list, the last changing fastest.
fn product(lists: &[Vec<Value>]) -> Result<Vec<Vec<Value>>, Error> {
    let many = lists.iter().try_fold(1_usize, |many, list| many.checked_mul(list.len()));
    if many.is_none_or(|many| many > ITEMS_MAX) {
        return Err(wrong("itertools.product() would give too much"));
    }
    let mut rows = vec![Vec::new()];
    for list in lists {
        rows = rows
            .iter()
            .flat_map(|row: &Vec<Value>| list.iter().map(|item| [row.as_slice(), std::slice::from_ref(item)].concat()))
            .collect();
    }
    Ok(rows)
}

/// Choices of `many` items, in order; `is_ordered` counts another order as another choice.
fn choices(items: &[Value], many: usize, is_ordered: bool) -> Result<Vec<Vec<Value>>, Error> {
    let mut found: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..many {
        let longer = |chosen: &Vec<usize>| {
            let from = if is_ordered { 0 } else { chosen.last().map_or(0, |last| last + 1) };
            let free = (from..items.len()).filter(|at| !chosen.contains(at));
            free.map(|at| [chosen.as_slice(), &[at]].concat()).collect::<Vec<_>>()
        };
        found = found.iter().flat_map(longer).collect();
        if found.len() > ITEMS_MAX {
            return Err(wrong("itertools would give too much"));
        }
    }
    Ok(found.into_iter().map(|chosen| chosen.into_iter().map(|at| items[at].clone()).collect()).collect())
}

impl Object for Itertools {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::of("itertools", values);
        let tuples = |rows: Vec<Vec<Value>>| list(rows.into_iter().map(tuple).collect());
        let items = || -> Result<Vec<Value>, Error> { Ok(arguments.require(0, "iterable")?.try_iter()?.collect()) };
        let count = |place, name| arguments.get(place, name).and_then(Value::as_usize);
        Ok(match method {
            "chain" => list(lists(&arguments)?.concat()),
            "product" => {
                let once = lists(&arguments)?;
                let times = arguments.get(usize::MAX, "repeat").and_then(Value::as_usize).unwrap_or(1);
                let lists: Vec<Vec<Value>> = std::iter::repeat_n(once, times.min(64)).flatten().collect();
                tuples(product(&lists)?)
            }
            "combinations" => tuples(choices(&items()?, count(1, "r").unwrap_or_default(), false)?),
            "permutations" => {
                let items = items()?;
                let many = count(1, "r").unwrap_or(items.len());
                tuples(choices(&items, many, true)?)
            }
            "zip_longest" => {
                let lists = lists(&arguments)?;
                let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
                let filler = arguments.get(usize::MAX, "fillvalue").cloned().unwrap_or_else(|| Value::from(()));
                let row = |at: usize| lists.iter().map(|list| list.get(at).unwrap_or(&filler).clone()).collect();
                tuples((0..longest).map(row).collect())
            }
            "islice" => {
                let (from, until, step) = match arguments.positional().len() {
                    0..=2 => (0, count(1, "stop"), 1),
                    _ => (count(1, "start").unwrap_or(0), count(2, "stop"), count(3, "step").unwrap_or(1).max(1)),
                };
                let endless = arguments.require(0, "iterable")?.try_iter()?;
                list(endless.take(until.unwrap_or(ITEMS_MAX)).skip(from).step_by(step).collect())
            }
            "repeat" => {
                let times = count(1, "times").unwrap_or(ITEMS_MAX).min(ITEMS_MAX);
                let item = arguments.require(0, "object")?.clone();
                Value::make_iterable(move || std::iter::repeat_n(item.clone(), times))
            }
            "starmap" => {
                let function = arguments.require(0, "function")?;
                let mut found = Vec::new();
                for row in arguments.require(1, "iterable")?.try_iter()? {
                    let row: Vec<Value> = row.try_iter()?.collect();
                    found.push(function.call(state, &row)?);
                }
                list(found)
            }
            "accumulate" => {
                let mut sums: Vec<Value> = Vec::new();
                for item in items()? {
                    let sum = sums.last().map_or(Ok(item.clone()), |sum| operators::add(sum, &item))?;
                    sums.push(sum);
                }
                list(sums)
            }
            "compress" => {
                let wanted: Vec<Value> = arguments.require(1, "selectors")?.try_iter()?.collect();
                list(items()?.into_iter().zip(wanted).filter(|(_, is)| is.is_true()).map(|(item, _)| item).collect())
            }
            "count" => {
                let part = |place, name| arguments.get(place, name).map_or(Some(i64::from(place == 1)), Value::as_i64);
                let (Some(start), Some(step)) = (part(0, "start"), part(1, "step")) else {
                    return Err(wrong("itertools.count() takes whole numbers"));
                };
                let numbers = move || (0..).map_while(move |at: i64| start.checked_add(step.checked_mul(at)?));
                Value::make_iterable(move || numbers().map(Value::from).take(ITEMS_MAX))
            }
            "cycle" => {
                let items = items()?;
                Value::make_iterable(move || items.clone().into_iter().cycle().take(ITEMS_MAX))
            }
            "tee" => {
                let (items, many) = (items()?, count(1, "n").unwrap_or(2).min(64));
                tuple((0..many).map(|_| list(items.clone())).collect())
            }
            "combinations_with_replacement" => {
                let (items, many) = (items()?, count(1, "r").unwrap_or_default());
                let mut found: Vec<Vec<usize>> = vec![Vec::new()];
                for _ in 0..many {
                    let longer = |chosen: &Vec<usize>| {
                        let from = chosen.last().copied().unwrap_or_default();
                        (from..items.len()).map(|at| [chosen.as_slice(), &[at]].concat()).collect::<Vec<_>>()
                    };
                    found = found.iter().flat_map(longer).collect();
                    if found.len() > ITEMS_MAX {
                        return Err(wrong("itertools would give too much"));
                    }
                }
                tuples(found.iter().map(|chosen| chosen.iter().map(|at| items[*at].clone()).collect()).collect())
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}
