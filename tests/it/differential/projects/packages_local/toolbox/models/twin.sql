select 'twin of the toolbox' as whose
