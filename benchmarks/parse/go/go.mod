module benchmarks/parse

go 1.25
