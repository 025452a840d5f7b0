-- What is known of each model.
select 1;
