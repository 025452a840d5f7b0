//! Which tables are kept in step at all.

use crate::{config, domain::pattern::fits};

/// Whether a table is included and not excluded. Case does not count.
pub(super) fn chosen(config: &config::Sync, table: &str) -> bool {
    let matches = |patterns: &[String]| patterns.iter().any(|p| fits(&p.to_lowercase(), &table.to_lowercase()));
    matches(&config.include) && !matches(&config.exclude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_by_name() {
        let config = config::Sync {
            include: vec!["*".to_owned()],
            exclude: vec!["tmp*".to_owned(), "*hash".to_owned(), "UserOd".to_owned()],
            ..config::Sync::default()
        };
        assert!(chosen(&config, "patient") && chosen(&config, "hashtable"));
        assert!(!chosen(&config, "tmp1") && !chosen(&config, "securityloghash") && !chosen(&config, "userod"));
    }
}
