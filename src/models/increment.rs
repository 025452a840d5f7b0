//! What is new, added to the table that an incremental model already is.
//!
//! Guarantee: as for a table made anew, a reader sees the old rows or the new ones, tested and whole.

use super::{
    materialize::{Made, Work, columns_of},
    testing,
};
use crate::{
    error::{Error, Kind, Result},
    warehouse::{Transaction, quote},
};

/// How an incremental model takes in what is new.
enum Strategy {
    Append,
    DeleteInsert,
}

impl Work<'_> {
    /// Adds to the table what the SQL gives, and tests the whole before anybody sees it.
    pub(super) async fn increment(&self, transaction: &Transaction<'_>) -> Result<Made> {
        let target = &self.node.relation;
        let fresh = format!("pg_temp.{}", quote(&target.provisional().name));
        let prefix = format!("create temporary table {} on commit drop as (\n", quote(&target.provisional().name));
        self.execute(transaction, &prefix, "\n)").await?;
        let columns = self.columns(transaction, &fresh).await?;
        let keys = self.node.settings.texts("unique_key");
        let delete = match (self.strategy()?, keys.as_slice()) {
            (Strategy::Append, _) | (Strategy::DeleteInsert, []) => None,
            (Strategy::DeleteInsert, [key]) => {
                Some(format!("delete from {} where ({key}) in (select ({key}) from {fresh})", target.quoted()))
            }
            (Strategy::DeleteInsert, keys) => {
                let equal: Vec<String> = keys.iter().map(|k| format!("old.{k} = new.{k}")).collect();
                Some(format!(
                    "delete from {} as old using {fresh} as new where {}",
                    target.quoted(),
                    equal.join(" and ")
                ))
            }
        };
        let columns = columns.join(", ");
        let insert = format!("insert into {} ({columns}) select {columns} from {fresh}", target.quoted());
        for statement in delete.into_iter().chain([insert]) {
            transaction.batch(&statement, "adding to an incremental model").await.map_err(|e| self.blame(e))?;
        }
        let tests =
            testing::run(transaction, self.manifest, self.node, &target.quoted(), self.started, self.metrics).await?;
        testing::judge(self.node, &tests)?;
        let count = format!("select count(*) from {}", target.quoted());
        let rows = transaction.query_one(&count, &[], "counting a model's rows").await?.get(0);
        Ok(Made { rows: Some(rows), tests })
    }

    fn strategy(&self) -> Result<Strategy> {
        let keyed = !self.node.settings.texts("unique_key").is_empty();
        match self.node.settings.text("incremental_strategy").as_deref() {
            None | Some("default") if keyed => Ok(Strategy::DeleteInsert),
            None | Some("default" | "append") => Ok(Strategy::Append),
            Some("delete+insert") => Ok(Strategy::DeleteInsert),
            Some(other) => Err(Error::new(
                Kind::ModelProject,
                format!(
                    "{}: incremental_strategy '{other}' is not supported; append and delete+insert are",
                    self.node.file
                ),
            )),
        }
    }

    /// The columns to be filled, quoted, after `on_schema_change` had its say.
    async fn columns(&self, transaction: &Transaction<'_>, fresh: &str) -> Result<Vec<String>> {
        let target = self.node.relation.quoted();
        let have = columns_of(transaction, &target).await?;
        let new = columns_of(transaction, fresh).await?;
        let named = |columns: &[(String, String)], name: &str| columns.iter().any(|(n, _)| n == name);
        let added: Vec<&(String, String)> = new.iter().filter(|(n, _)| !named(&have, n)).collect();
        let gone: Vec<&str> = have.iter().filter(|(n, _)| !named(&new, n)).map(|(n, _)| n.as_str()).collect();
        let change = self.node.settings.text("on_schema_change").unwrap_or_else(|| "ignore".to_owned());
        let differs = |what: &str| {
            let added: Vec<&str> = added.iter().map(|(n, _)| n.as_str()).collect();
            let what = format!(
                "{}: {what} (new columns: {}; gone columns: {}); a full refresh makes the table anew",
                self.node.file,
                added.join(", "),
                gone.join(", ")
            );
            Error::new(Kind::ModelSql, what)
        };
        match change.as_str() {
            "ignore" if gone.is_empty() => Ok(have.iter().map(|(n, _)| quote(n)).collect()),
            "ignore" => Err(differs("the table has columns that the model no longer gives")),
            "fail" if added.is_empty() && gone.is_empty() => Ok(have.iter().map(|(n, _)| quote(n)).collect()),
            "fail" => Err(differs("the model's columns changed and on_schema_change is fail")),
            "append_new_columns" => {
                for (name, kind) in added {
                    let alter = format!("alter table {target} add column {} {kind}", quote(name));
                    transaction.batch(&alter, "adding a column to an incremental model").await?;
                }
                Ok(new.iter().map(|(n, _)| quote(n)).collect())
            }
            other => Err(Error::new(
                Kind::ModelProject,
                format!("{}: on_schema_change '{other}' is not supported", self.node.file),
            )),
        }
    }
}
