//! `show`: the first rows of what a node or a query gives.

use super::{
    arguments::{Chosen, configured},
    project::{found, loaded, meant, reached, which},
};
use crate::{
    cli::{Context, Outcome, failure, output, output::Format},
    error::{Error, Kind},
    models::{Looked, Models, Preview, Selected},
};
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// A query with Jinja to show in place of models
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "exclude", "selector"])]
    inline: Option<String>,
    /// Rows at most; -1 for all of them
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true)]
    limit: i64,
    /// A table for a person, or JSON for a program
    #[arg(long, value_enum, value_name = "FORM")]
    output: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let config = configured(context, &args.chosen.place)?;
    let mut models = loaded(context, &config, which("show", &args.chosen.place))?;
    let is_inline = args.inline.is_some();
    let looked = match args.inline {
        Some(text) => {
            meant(&mut models, &args.chosen, Selected::default()).await?;
            vec![Looked::Inline(text)]
        }
        None => chosen(&mut models, &args.chosen).await?.into_iter().map(Looked::Node).collect(),
    };
    reached(&models).await?;
    let usual = if context.format() == Format::Json { Form::Json } else { Form::Text };
    let form = args.output.unwrap_or(usual);
    let mut outcome = Outcome::Done;
    for one in looked {
        match models.show(one, u64::try_from(args.limit).ok()).await {
            Ok(preview) => output::write(&printed(&preview, form, is_inline))?,
            Err(error) => {
                outcome = Outcome::Failed;
                failure::tell("showing", &error);
            }
        }
    }
    Ok(outcome)
}

/// The ids of what is selected; where some of it is selected by its name, of that alone: `+a` is for `a`.
async fn chosen(models: &mut Models, chosen: &Chosen) -> anyhow::Result<Vec<String>> {
    if chosen.select.is_empty() && chosen.selector.is_none() {
        let what = "name what is to be shown with --select, or write it with --inline";
        return Err(Error::new(Kind::UnknownSelection, what).into());
    }
    let found = found(models, chosen).await?;
    let ids: Vec<String> = found.ids.into_iter().filter(|id| models.can_be_shown(id)).collect();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let words: Vec<&str> = chosen.select.iter().flat_map(|part| part.split(|c| !is_word(c))).collect();
    let is_named = |id: &&String| models.described(id)["name"].as_str().is_some_and(|name| words.contains(&name));
    let named: Vec<String> = ids.iter().filter(is_named).cloned().collect();
    let shown = if named.is_empty() { ids } else { named };
    if shown.is_empty() {
        eprintln!("warning: nothing is selected that can be shown");
    }
    Ok(shown)
}

fn printed(preview: &Preview, form: Form, is_inline: bool) -> String {
    let name = &preview.name;
    match form {
        Form::Json if is_inline => format!("{:#}\n", json!({"show": preview.objects()})),
        Form::Json => format!("{:#}\n", json!({"node": name, "show": preview.objects()})),
        Form::Text if is_inline => table(preview),
        Form::Text => format!("{name}\n{}", table(preview)),
    }
}

/// A table between bars, numbers to the right.
fn table(preview: &Preview) -> String {
    let flat = |text: &str| text.replace(['\n', '\r'], " ");
    let heads: Vec<String> = preview.columns.iter().map(|(name, _)| flat(name)).collect();
    let cell = |cell: &Option<String>| cell.as_deref().map(flat).unwrap_or_default();
    let rows: Vec<Vec<String>> = preview.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).chain(heads.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let is_number = |at: usize| {
        matches!(preview.columns[at].1.as_str(), "int2" | "int4" | "int8" | "numeric" | "float4" | "float8")
    };
    let line = |cells: &[String], right: bool| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
            if right && is_number(at) { format!(" {cell:>width$} |") } else { format!(" {cell:<width$} |") }
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let body: String = rows.iter().map(|row| line(row, true)).collect();
    format!("{}{}{body}", line(&heads, false), line(&rule, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_between_bars() {
        let text = |text: &str| Some(text.to_owned());
        let column = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        let preview = Preview {
            name: "pay".to_owned(),
            columns: vec![column("order_id", "int4"), column("note", "text")],
            rows: vec![vec![text("1"), text("a\nb")], vec![text("20"), None]],
        };
        insta::assert_snapshot!(printed(&preview, Form::Text, false), @r"
        pay
        | order_id | note |
        | -------- | ---- |
        |        1 | a b  |
        |       20 |      |
        ");
    }
}
