# Made by towpath pipeline sync for Component checkout: changes are overwritten. Change the ServiceTemplate instead.
echo a'b"c`id`$(id)${{ secrets.GITHUB_TOKEN }}
- run: id # ${HOME} $(params.x) %0A::error::x && || ;	\
