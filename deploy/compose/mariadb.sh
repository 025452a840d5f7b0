#!/bin/bash
# Run once by MariaDB's image: the reader that Amalgam is.
set -eu
password=$(cat /run/secrets/source_password)
mariadb --protocol=socket --user=root --password="$(cat /run/secrets/mariadb_root)" <<SQL
create user 'amalgam_reader'@'%' identified by '$password';
grant select on opendental.* to 'amalgam_reader'@'%';
grant process, replication slave on *.* to 'amalgam_reader'@'%';
SQL
