//! A package added to the list that a project keeps.

use super::{lock::scalar, refused, replace};
use crate::{
    error::{Error, Kind, Result},
    models::reading,
};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A package to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// `dbt-labs/dbt_utils`, or the address or folder.
    pub name: String,
    /// The version or revision; several with a comma.
    pub version: Option<String>,
    /// Where it comes from.
    pub origin: PackageOrigin,
}

/// Where an added package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageOrigin {
    /// The hub.
    Hub,
    /// A repository.
    Git,
    /// A folder.
    Local,
}

impl Added {
    /// Its entry.
    fn entry(&self) -> Value {
        let (key, version_key) = match self.origin {
            PackageOrigin::Hub => ("package", "version"),
            PackageOrigin::Git => ("git", "revision"),
            PackageOrigin::Local => ("local", "version"),
        };
        let mut entry = json!({ key: self.name });
        if let Some(version) = self.version.as_ref().filter(|_| self.origin != PackageOrigin::Local) {
            entry[version_key] = match version.contains(',') {
                true => version.split(',').map(str::trim).collect(),
                false => version.as_str().into(),
            };
        }
        entry
    }

    /// Whether an entry of the list is for the same package: it names it, or an address that ends with it.
    fn is_named_by(&self, entry: &Value) -> bool {
        let addresses = entry.as_object().into_iter().flat_map(Map::values).filter_map(Value::as_str);
        let plain = |text: &str| text.trim_end_matches('/').trim_end_matches(".git").to_owned();
        let own = plain(&self.name);
        addresses
            .map(plain)
            .any(|text| text.strip_suffix(&own).is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', ':'])))
    }
}

/// Adds a package to the file, in the place of one that is the same. What else is in the file stays as it is written
/// where that can be.
///
/// # Errors
/// The file can't be read or written.
pub(super) fn add(path: &Path, added: &Added) -> Result<()> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "packages:\n".to_owned(),
        Err(error) => return Err(Error::new(Kind::Io, format!("{}: {error}", path.display()))),
    };
    replace(path, &with(&text, added, &path.display().to_string())?)
}

fn with(text: &str, added: &Added, shown: &str) -> Result<String> {
    let mut all = reading::yaml::parse(text, shown)?;
    let mut list = match all.get("packages") {
        Some(Value::Array(list)) => list.clone(),
        None | Some(Value::Null) => Vec::new(),
        Some(_) => return Err(refused(format!("{shown}: 'packages' must be a list"))),
    };
    let before = list.len();
    list.retain(|entry| !added.is_named_by(entry));
    let is_new = list.len() == before;
    list.push(added.entry());
    all.insert("packages".to_owned(), list.into());
    let is_right = |text: &str| reading::yaml::parse(text, shown).is_ok_and(|read| read == all);
    let grown = grown(text, added)?;
    if is_new && is_right(&grown) {
        return Ok(grown);
    }
    let written = serde_saphyr::to_string(&all).unwrap_or_default();
    match is_right(&written) {
        true => Ok(written),
        false => {
            Err(refused(format!("{shown}: it is written in a way that can't be added to; add the package by hand")))
        }
    }
}

/// The text with the entry at its end, in the manner of those before.
fn grown(text: &str, added: &Added) -> Result<String> {
    let items = text.lines().filter(|line| line.trim_start().starts_with("- "));
    let indent = items.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(2);
    let mut grown = text.trim_end().to_owned();
    let entry = added.entry();
    for (at, (key, value)) in entry.as_object().into_iter().flatten().enumerate() {
        let mark = if at == 0 { "- " } else { "  " };
        let value = match value {
            Value::Array(items) => {
                let items =
                    items.iter().filter_map(Value::as_str).map(|item| Ok(format!("'{}'", item.replace('\'', "''"))));
                format!("[{}]", items.collect::<Result<Vec<_>>>()?.join(", "))
            }
            value => scalar(value.as_str().unwrap_or_default())?,
        };
        grown.push_str(&format!("\n{:indent$}{mark}{key}: {value}", ""));
    }
    grown.push('\n');
    Ok(grown)
}

#[cfg(test)]
mod tests {
    use super::{super::wanted::PACKAGES, *};

    fn added(name: &str, version: Option<&str>, origin: PackageOrigin) -> Added {
        Added { name: name.to_owned(), version: version.map(str::to_owned), origin }
    }

    #[test]
    fn what_stands_in_the_file_stays_as_it_is_written() {
        let text = "# ours\npackages:\n- local: a  # beside\n";
        let grown = with(text, &added("dbt-labs/dbt_utils", Some(">=1.0.0,<2.0.0"), PackageOrigin::Hub), PACKAGES);
        assert_eq!(
            grown.expect("added"),
            "# ours\npackages:\n- local: a  # beside\n- package: dbt-labs/dbt_utils\n  version: ['>=1.0.0', '<2.0.0']\n"
        );
        let grown = with("packages:\n", &added("https://x/y.git", Some("1.0"), PackageOrigin::Git), PACKAGES);
        assert_eq!(grown.expect("added"), "packages:\n  - git: https://x/y.git\n    revision: '1.0'\n");
    }

    #[test]
    fn another_version_takes_the_place_of_the_first() {
        let text = "packages:\n  - git: https://github.com/dbt-labs/dbt_utils.git\n    revision: 'v1'\n  - local: a\n";
        let grown =
            with(text, &added("dbt-labs/dbt_utils", Some("1.1.0"), PackageOrigin::Hub), PACKAGES).expect("added");
        let read = reading::yaml::parse(&grown, PACKAGES).expect("read");
        assert_eq!(read["packages"], json!([{"local": "a"}, {"package": "dbt-labs/dbt_utils", "version": "1.1.0"}]));
    }

    #[test]
    fn a_list_in_brackets_grows_too() {
        let grown =
            with("packages: [{local: a}]\n", &added("../b", None, PackageOrigin::Local), PACKAGES).expect("added");
        let read = reading::yaml::parse(&grown, PACKAGES).expect("read");
        assert_eq!(read["packages"], json!([{"local": "a"}, {"local": "../b"}]));
    }
}
