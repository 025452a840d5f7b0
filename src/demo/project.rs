//! The dbt project that the program brings along: `sql_models/`, as it was when it was built.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folder of a dbt project, in the repository and in the demo's folder.
pub const FOLDER: &str = "sql_models";

/// The file that makes a folder a dbt project.
pub const FILE: &str = "dbt_project.yml";

/// Paths within the project, and texts. Made by `build.rs`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sql_models.rs"));

/// Writes the project into a folder of its own below `folder`, and says where. One that is there
/// already stays as it is: whoever tries the demo may have changed a model.
pub(super) fn write(folder: &Path) -> io::Result<PathBuf> {
    let project = folder.join(FOLDER);
    if project.join(FILE).exists() {
        return Ok(project);
    }
    // The project's own file comes last: what was cut off is written anew.
    let (last, first): (Vec<_>, Vec<_>) = FILES.iter().partition(|(name, _)| *name == FILE);
    for (name, text) in first.into_iter().chain(last) {
        let file = project.join(name);
        fs::create_dir_all(file.parent().expect("a file of the project lies in its folder"))?;
        fs::write(file, text)?;
    }
    Ok(project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_brought_along_whole() {
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&FILE) && names.contains(&"models/marts/mart_ar_aging.sql"), "{names:?}");
        assert!(names.contains(&"macros/generate_schema_name.sql"), "{names:?}");
    }

    #[test]
    fn a_model_that_was_changed_is_let_be() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let project = write(folder.path()).expect("it can be written");
        let model = project.join("models/marts/mart_ar_aging.sql");
        fs::write(&model, "select 1").expect("it can be written");
        write(folder.path()).expect("it can be written");
        assert_eq!(fs::read_to_string(model).expect("it is there"), "select 1");
    }
}
