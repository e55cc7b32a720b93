# Made by towpath pipeline sync for Component checkout: changes are overwritten. Change the ServiceTemplate instead.
make
