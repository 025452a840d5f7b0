//! `deps`: a project's packages installed.

use super::{arguments::Place, project::root_and_vars};
use crate::{
    cli::{Context, Outcome, output},
    error::{Error, Kind},
    models::{Added, DepsOptions, PackageOrigin, install_packages},
};
use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Choose the versions anew, whatever package-lock.yml says
    #[arg(long)]
    upgrade: bool,
    /// Write package-lock.yml alone
    #[arg(long)]
    lock: bool,
    /// A package to add to packages.yml first: dbt-labs/dbt_utils@1.1.1
    #[arg(long, value_name = "NAME@VERSION")]
    add_package: Option<String>,
    /// Where the added package comes from
    #[arg(long, value_enum, default_value = "hub", requires = "add_package")]
    source: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    Hub,
    Git,
    Local,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let (root, vars) = root_and_vars(context, &args.place)?;
    let add = args.add_package.as_deref().map(|text| added(text, args.source)).transpose()?;
    let options = DepsOptions { add, upgrade: args.upgrade, lock_only: args.lock, vars };
    let mut warn = |what: String| eprintln!("warning: {what}");
    let packages = install_packages(&root, &options, context.clock().now(), &mut warn).await?;
    output::rows(context.format(), &packages)?;
    let counted = output::counted(packages.len(), "package");
    match (args.lock, packages.is_empty()) {
        (true, true) => eprintln!("package-lock.yml stays as it is"),
        (true, false) => eprintln!("{counted} written into package-lock.yml"),
        (false, _) => eprintln!("{counted} installed"),
    }
    Ok(Outcome::Done)
}

fn added(text: &str, source: From) -> Result<Added, Error> {
    let origin = match source {
        From::Hub => PackageOrigin::Hub,
        From::Git => PackageOrigin::Git,
        From::Local => PackageOrigin::Local,
    };
    // The `@` of git@host:path tells of no version.
    let parts = text.rsplit_once('@').filter(|(name, version)| !name.is_empty() && !version.contains([':', '/']));
    let (name, version) = parts.map_or((text, None), |(name, version)| (name, Some(version.to_owned())));
    if version.is_none() && source != From::Local {
        let what = format!("--add-package {text}: write the version behind an @, as in {text}@1.0.0");
        return Err(Error::new(Kind::Packages, what));
    }
    Ok(Added { name: name.to_owned(), version, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_behind_the_last_at() {
        let parts = |text: &str, source| added(text, source).map(|a| (a.name, a.version));
        assert_eq!(parts("a/b@1.0.0", From::Hub).ok(), Some(("a/b".to_owned(), Some("1.0.0".to_owned()))));
        let git = Some(("git@github.com:a/b.git".to_owned(), Some("v1".to_owned())));
        assert_eq!(parts("git@github.com:a/b.git@v1", From::Git).ok(), git);
        assert_eq!(parts("../a", From::Local).ok(), Some(("../a".to_owned(), None)));
        assert!(parts("git@github.com:a/b.git", From::Git).is_err() && parts("a/b", From::Hub).is_err());
    }
}
