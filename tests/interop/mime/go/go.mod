module mimereader

go 1.21
