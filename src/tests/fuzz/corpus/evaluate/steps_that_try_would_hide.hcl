locals {
  x = can([for a in range(999) : [for b in range(999) : [for c in range(999) : a]]]) ? 1 : 2
}
check "web" {
  url  = "https://web.example.com/"
  body = "${local.x}"
}
