{{ config(materialized='table') }}
select * from (values (1, 'a', 2.50), (2, 'b', null), (4, 'd', 9.99)) as v (id, letter, price)
