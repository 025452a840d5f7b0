create schema landing;
create table landing.fresh (id int, loaded_at timestamptz);
create table landing."Old Table" (id int, loaded_at timestamptz);
create table landing.ancient (id int, day date);
create table landing.without (id int);
insert into landing.fresh values (1, now() - interval '1 hour'), (2, now() - interval '40 days');
insert into landing."Old Table" values (1, now() - interval '30 hours');
insert into landing.ancient values (1, date '2020-01-01');
insert into landing.without values (7);
