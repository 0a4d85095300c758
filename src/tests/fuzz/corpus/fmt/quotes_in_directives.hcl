e""{}
s{
l=([[]])[({a={a="",("")=1},("")={for k in3:k=>9}})[*].a]
l1=({for v in1:""=>v}).*.a>(r)
l2={for k in"%{if("")}""%{endif}":""=>v...if""}
l3=("${{a=k,("")=[8,e]}}")
h=({for v in(1):k=>{for v in"":k=>1}})
r=""#
}
e{
l=""
}
k""{
l="%{if({for v in"":""=>v...if3}).*.a}%{endif}"#
}