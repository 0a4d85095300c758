# One check for each page: page["home"], page["cart"], ... A page more is a line more.

locals {
  pages = {
    home    = "/"
    cart    = "/cart"
    account = "/account"
  }
}

check "page" {
  for_each = local.pages
  use      = [template.page]
  url      = "${local.hook}/livez?page=${urlencode(each.value)}"
  labels   = { page = each.key }
}
