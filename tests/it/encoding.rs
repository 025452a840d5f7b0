//! A warehouse in another encoding than UTF-8.

use crate::{
    daemon::Daemon,
    harness::{Servers, until},
};
use std::cell::RefCell;

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_can_not_hold_every_text_is_refused_before_anything_is_written() {
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let bench = Servers::fresh("encoding").await;
        bench.source("create table t (k int primary key, v text); insert into t values (1, 'é'), (2, 'ok')").await;
        bench.warehouse_anew(&format!("encoding '{encoding}' locale 'C' template template0")).await;
        let written = "select count(*) from pg_namespace where nspname in ('amalgam', 'raw')";
        for command in ["sync", "run", "verify --repair"] {
            let output = bench.amalgam().args(command.split(' ')).output().await.expect("it ends");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{encoding} {command}");
            assert!(told.contains(encoding) && told.contains("ENCODING 'UTF8'"), "{command}: {told}");
            assert_eq!(bench.text(written).await, "0", "{encoding} {command}");
        }
        if encoding != "LATIN1" {
            continue;
        }
        let daemon = RefCell::new(Daemon::start(&bench, "").await);
        let refuses =
            || async { daemon.borrow_mut().log().iter().any(|line| line.to_string().contains("ENCODING 'UTF8'")) };
        until("it says why it does not write", refuses).await;
        assert_eq!(bench.text(written).await, "0");
        let mut daemon = daemon.into_inner();
        daemon.signal("TERM");
        assert!(daemon.child.wait().await.expect("it ends").success());
    }
}
