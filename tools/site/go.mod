module donvi/site

go 1.27
