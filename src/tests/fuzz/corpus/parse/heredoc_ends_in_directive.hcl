check "web" {
  url = "https://web.example.com/"
  labels = {
    a = <<E
%{ if true }
E
    b = <<E
%{ endif }
E
  }
}
