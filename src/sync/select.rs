//! Which tables are kept in step at all.

use crate::config;

/// Whether a table is included and not excluded. Case does not count.
pub(super) fn chosen(config: &config::Sync, table: &str) -> bool {
    let matches = |patterns: &[String]| patterns.iter().any(|p| like(&p.to_lowercase(), &table.to_lowercase()));
    matches(&config.include) && !matches(&config.exclude)
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn like(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    name.strip_prefix(head)
        .is_some_and(|rest| rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| like(tail, &rest[at..])))
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
        assert!(like("a*b*c", "aXbbYc") && !like("a*b*c", "aXc") && like("*", ""));
    }
}
