{{ shape() }}
