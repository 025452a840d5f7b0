//! The one quoting builder for dynamic SQL at the source.

/// A quoted identifier: MariaDB KB, "Identifier Names".
pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_names_are_doubled() {
        assert_eq!(quote("a`b"), "`a``b`");
    }
}
