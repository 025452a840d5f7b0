select * from (values (1, 'a', 2.50), (2, 'b', null), (3, 'ç', 0.10)) as v (id, letter, price)
